-- Purpose: Takes connections off users of one partition; a user's last one takes him offline.
-- KEYS:    1 the partition's users that are online; then the users' connections
-- ARGV:    1 when the right to write runs out, in ms; then the users, in the order of KEYS;
--          then for each connection: number of its user, connection id
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(users + connections)
-- Cluster: all keys carry the tag of the users' partition
local onlineKey = KEYS[1]
local fenceMs = tonumber(ARGV[1])
local users = #KEYS - 1

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
for i = 2 + users, #ARGV, 2 do
  redis.call('HDEL', KEYS[1 + tonumber(ARGV[i])], ARGV[i + 1])
end
for i = 1, users do
  if redis.call('EXISTS', KEYS[1 + i]) == 0 then
    redis.call('SREM', onlineKey, ARGV[1 + i])
  end
end
return 1

-- Purpose: Takes connections off users of one partition; a user's last one takes the user offline.
-- KEYS:    1 the partition's connections, by user; 2 its number of users that are online
-- ARGV:    1 when the right to write runs out, in ms;
--          then for each user: what the user's entries begin with, number of connections,
--          connection ids
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(connections given * log connections of the partition)
-- Cluster: all keys carry the tag of the users' partition
local connectionsKey, onlineKey = KEYS[1], KEYS[2]
local fenceMs = tonumber(ARGV[1])

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
local at = 2
while at <= #ARGV do
  local head, count = ARGV[at], tonumber(ARGV[at + 1])
  local removed = 0
  for i = at + 2, at + 1 + count do
    removed = removed + redis.call('ZREM', connectionsKey, head .. ARGV[i])
  end
  -- No connection id has a byte from '{' on.
  if removed > 0 and redis.call('ZLEXCOUNT', connectionsKey, '[' .. head, '(' .. head .. '{') == 0 then
    if redis.call('DECR', onlineKey) <= 0 then
      redis.call('DEL', onlineKey)
    end
  end
  at = at + 2 + count
end
return 1

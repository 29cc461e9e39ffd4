-- Purpose: Takes connections off users of one partition; a user's last one takes him offline.
-- KEYS:    1 the partition's users that are online: connection ids, with spaces between, by user
-- ARGV:    1 when the right to write runs out, in ms;
--          then for each user: user id, number of connections, connection ids
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(connections given + connections that those users have)
-- Cluster: one key
local onlineKey = KEYS[1]
local fenceMs = tonumber(ARGV[1])

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
local at = 2
while at <= #ARGV do
  local userId, count = ARGV[at], tonumber(ARGV[at + 1])
  local held = redis.call('HGET', onlineKey, userId)
  if held then
    local going, ids = {}, {}
    for i = at + 2, at + 1 + count do
      going[ARGV[i]] = true
    end
    for id in string.gmatch(held, '%S+') do
      if not going[id] then
        ids[#ids + 1] = id
      end
    end
    if #ids == 0 then
      redis.call('HDEL', onlineKey, userId)
    else
      redis.call('HSET', onlineKey, userId, table.concat(ids, ' '))
    end
  end
  at = at + 2 + count
end
return 1

-- Purpose: Adds connections to users of one partition.
-- KEYS:    1 the partition's users that are online: connection ids, with spaces between, by user
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live in ms;
--          then for each user: user id, number of connections, connection ids
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(connections given + connections that those users have)
-- Cluster: one key
local onlineKey = KEYS[1]
local fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
local at = 3
while at <= #ARGV do
  local userId, count = ARGV[at], tonumber(ARGV[at + 1])
  local known, ids = {}, {}
  for id in string.gmatch(redis.call('HGET', onlineKey, userId) or '', '%S+') do
    known[id] = true
    ids[#ids + 1] = id
  end
  for i = at + 2, at + 1 + count do
    local id = ARGV[i]
    if not known[id] then
      known[id] = true
      ids[#ids + 1] = id
    end
  end
  redis.call('HSET', onlineKey, userId, table.concat(ids, ' '))
  at = at + 2 + count
end
redis.call('PEXPIRE', onlineKey, ttlMs)
return 1

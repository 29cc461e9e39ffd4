-- Purpose: Adds connections to users of one partition.
-- KEYS:    1 the partition's connections, by user; 2 its number of users that are online
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live in ms;
--          then for each user: what the user's entries begin with, number of connections,
--          connection ids
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(connections given * log connections of the partition)
-- Cluster: all keys carry the tag of the users' partition
local connectionsKey, onlineKey = KEYS[1], KEYS[2]
local fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
local at = 3
while at <= #ARGV do
  local head, count = ARGV[at], tonumber(ARGV[at + 1])
  -- No connection id has a byte from '{' on.
  local before = redis.call('ZLEXCOUNT', connectionsKey, '[' .. head, '(' .. head .. '{')
  for i = at + 2, at + 1 + count do
    -- All scores are equal, so that the entries are in the order of their bytes.
    redis.call('ZADD', connectionsKey, 0, head .. ARGV[i])
  end
  if before == 0 and count > 0 then
    redis.call('INCR', onlineKey)
  end
  at = at + 2 + count
end
redis.call('PEXPIRE', connectionsKey, ttlMs)
redis.call('PEXPIRE', onlineKey, ttlMs)
return 1

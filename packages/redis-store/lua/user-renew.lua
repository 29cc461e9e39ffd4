-- Purpose: Renews the time to live of a partition's users.
-- KEYS:    1 the partition's users that are online
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live in ms
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(1)
-- Cluster: one key
local onlineKey = KEYS[1]
local fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
redis.call('PEXPIRE', onlineKey, ttlMs)
return 1

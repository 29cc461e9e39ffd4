-- Purpose: Renews the time to live of a partition's users.
-- KEYS:    1 the partition's connections, by user; 2 its number of users that are online;
--          3 metadata by connection
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live in ms
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(1)
-- Cluster: all keys carry the tag of the users' partition
-- Uses:    upkeep
local fenceMs, ttlMs = tonumber(ARGV[1]), tonumber(ARGV[2])

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
for _, key in ipairs(KEYS) do
  keepAtLeast(key, ttlMs)
end
return 1

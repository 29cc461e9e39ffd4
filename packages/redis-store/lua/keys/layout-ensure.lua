-- Purpose: Stores the layout if none is stored, and returns the stored one.
-- KEYS:    1 the layout hash
-- ARGV:    1 version; 2 number of partitions
-- Returns: {version, partitions} as stored, -1 for a missing one
-- Cost:    O(1)
-- Cluster: one key
-- Flags:   none
local layoutKey = KEYS[1]
local version, partitions = ARGV[1], ARGV[2]

if redis.call('HSETNX', layoutKey, 'version', version) == 1 then
  redis.call('HSET', layoutKey, 'partitions', partitions)
end
local stored = redis.call('HMGET', layoutKey, 'version', 'partitions')
return { tonumber(stored[1]) or -1, tonumber(stored[2]) or -1 }

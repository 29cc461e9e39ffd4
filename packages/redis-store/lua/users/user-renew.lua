-- Purpose: Renews the time to live of the keys of a partition's users.
-- KEYS:    1 the partition's connections, by user; 2 its number of online users;
--          3 metadata by connection
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(1)
-- Cluster: all keys carry the tag of the users' partition
-- Uses:    clock, fence, key-lifetimes
local ttlMs = tonumber(ARGV[2])

for _, key in ipairs(KEYS) do
  keepAtLeast(key, ttlMs)
end
return 1

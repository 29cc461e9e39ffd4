-- Purpose: Renews the time to live of rooms of one partition and of the partition's index of rooms.
-- KEYS:    1 the partition's index of rooms; 2 its rooms by expiry of their record;
--          then for each room: its members, its record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms;
--          then the rooms, in the order of KEYS
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(rooms)
-- Cluster: all keys carry the tag of the rooms' partition
-- Uses:    clock, fence, key-lifetimes, room-record-entries
local indexKey, recordsKey = KEYS[1], KEYS[2]
local ttlMs = ARGV[2]

for i = 3, #ARGV do
  if redis.call('PEXPIRE', KEYS[2 * i - 3], ttlMs) == 0 then
    -- The room's key has expired, so remove the room from the index and delete its record as well.
    redis.call('SREM', indexKey, ARGV[i])
    dropRecord(KEYS[2 * i - 2], recordsKey, ARGV[i])
  end
end
redis.call('PEXPIRE', indexKey, ttlMs)
return 1

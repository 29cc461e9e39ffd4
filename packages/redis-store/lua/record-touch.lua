-- Purpose: Counts as activity of a room that has a record.
-- KEYS:    1 the record; 2 the partition's rooms by expiry of their record
-- ARGV:    1 the room; 2 time to live of a record in ms
-- Returns: 1, or 0 where there is no record
-- Cost:    O(log rooms of the partition)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   none
-- Uses:    clock, upkeep, records
local recordKey, recordsKey = KEYS[1], KEYS[2]
local room, ttlMs = ARGV[1], tonumber(ARGV[2])

if redis.call('EXISTS', recordKey) == 0 then
  return 0
end
keepRecord(recordKey, recordsKey, room, nowMs, ttlMs)
return 1

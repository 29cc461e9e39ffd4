-- Purpose: Reads a room's record; reading counts as activity.
-- KEYS:    1 the record; 2 the partition's rooms by expiry of their record
-- ARGV:    1 the room; 2 time to live of a record in ms
-- Returns: {value, version, created at, last activity}, or {} if there is no record
-- Cost:    O(log rooms of the partition)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   none
-- Uses:    clock, key-lifetimes, room-record-entries
local recordKey, recordsKey = KEYS[1], KEYS[2]
local room, ttlMs = ARGV[1], tonumber(ARGV[2])

local record = redis.call('HMGET', recordKey, 'value', 'version', 'createdAt')
if not record[2] then
  return {}
end
keepRecord(recordKey, recordsKey, room, nowMs, ttlMs)
record[4] = nowMs
return record

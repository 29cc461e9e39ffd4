-- Purpose: Sets the value of a room's record if the record has the expected version.
-- KEYS:    1 the record; 2 the partition's rooms by expiry of their record
-- ARGV:    1 the room; 2 the expected version; 3 the value; 4 time to live of a record in ms
-- Returns: {1, value, version, created at, last activity}; {0, the current ones} if the record has
--          another version; {} if there is no record
-- Cost:    O(log rooms of the partition)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   none
-- Uses:    clock, key-lifetimes, room-record-entries
local recordKey, recordsKey = KEYS[1], KEYS[2]
local room, expected, value, ttlMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local record = redis.call('HMGET', recordKey, 'value', 'version', 'createdAt', 'lastActivity')
if not record[2] then
  return {}
end
if record[2] ~= expected then
  return { 0, unpack(record) }
end
local version = string.format('%.0f', math.max(nowMicros, tonumber(expected) + 1))
redis.call('HSET', recordKey, 'value', value, 'version', version)
keepRecord(recordKey, recordsKey, room, nowMs, ttlMs)
return { 1, value, version, record[3], nowMs }

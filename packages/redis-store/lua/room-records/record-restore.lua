-- Purpose: Writes lost records of one partition again, if their rooms still have members.
-- KEYS:    1 the partition's rooms by expiry of their record;
--          then for each room: its record, its members
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live of a record in ms; then
--          for each room: its name, value, created at, last activity
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(rooms * log rooms of the partition)
-- Cluster: all keys carry the tag of the rooms' partition
-- Flags:   none
-- Uses:    clock, fence, key-lifetimes, room-record-entries
local recordsKey = KEYS[1]
local ttlMs = tonumber(ARGV[2])

for i = 2, #KEYS, 2 do
  local recordKey, roomKey = KEYS[i], KEYS[i + 1]
  if redis.call('EXISTS', recordKey) == 0 and redis.call('EXISTS', roomKey) == 1 then
    local at = 3 + (i - 2) / 2 * 4
    writeRecord(recordKey, ARGV[at + 1], nowMicros, ARGV[at + 2])
    keepRecord(recordKey, recordsKey, ARGV[at], nowMs, ttlMs)
    redis.call('HSET', recordKey, 'lastActivity', ARGV[at + 3])
  end
end
return 1

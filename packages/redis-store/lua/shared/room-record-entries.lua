-- Writes a record that does not exist yet. The clock gives a version that no earlier record had.
local function writeRecord(recordKey, value, nowMicros, createdAt)
  redis.call('HSET', recordKey, 'value', value, 'version', string.format('%.0f', nowMicros), 'createdAt', createdAt)
end

-- Stores the present time as the latest activity of a room with a record, and renews the record's time to
-- live.
local function keepRecord(recordKey, recordsKey, room, nowMs, ttlMs)
  redis.call('HSET', recordKey, 'lastActivity', nowMs)
  redis.call('PEXPIRE', recordKey, ttlMs)
  redis.call('ZADD', recordsKey, nowMs + ttlMs, room)
  dropOldest(recordsKey, nowMs)
  keepAtLeast(recordsKey, ttlMs)
end

local function dropRecord(recordKey, recordsKey, room)
  redis.call('DEL', recordKey)
  redis.call('ZREM', recordsKey, room)
end

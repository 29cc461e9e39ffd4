-- Purpose: Goes over rooms of one partition: names whose members they have, takes those off the
--          index that have none, and sets the index of records right, up to a number of look-ups.
-- KEYS:    1 the partition's index of rooms; 2 its rooms by expiry of their record;
--          then for each room: its members, its record
-- ARGV:    1 the holder, that is `<server id>.<incarnation>`, after whom to go on in the first
--          room, or ''; 2 the most look-ups; then the rooms, in the order of KEYS
-- Returns: {rooms that were finished, the holder after whom to go on in the next one, or '',
--          values set right, holder, ...}
-- Cost:    O(rooms + look-ups * log members of a room)
-- Cluster: all keys carry the tag of the rooms' partition
-- Uses:    clock, upkeep, records
local indexKey, recordsKey = KEYS[1], KEYS[2]
local after, left = ARGV[1], tonumber(ARGV[2])

-- Whether something was to be done.
local function auditRoom(room, roomKey, recordKey)
  local isListed = redis.call('ZSCORE', recordsKey, room)
  if redis.call('EXISTS', roomKey) == 0 then
    dropRecord(recordKey, recordsKey, room)
    return redis.call('SREM', indexKey, room) == 1
  end
  local recordMs = redis.call('PTTL', recordKey)
  if isListed and tonumber(isListed) > nowMs and recordMs == -2 then
    redis.call('ZREM', recordsKey, room)
    return true
  end
  if not isListed and recordMs > 0 then
    redis.call('ZADD', recordsKey, nowMs + recordMs, room)
    keepAtLeast(recordsKey, recordMs)
    return true
  end
  return false
end

local reply, seen, fixed = { 0, '', 0 }, {}, 0
for i = 3, #ARGV do
  local room, roomKey = ARGV[i], KEYS[2 * i - 3]
  if after == '' and auditRoom(room, roomKey, KEYS[2 * i - 2]) then
    fixed = fixed + 1
  end
  while true do
    if left == 0 then
      reply[1], reply[2], reply[3] = i - 3, after, fixed
      return reply
    end
    left = left - 1
    -- No connection id has a byte from '{' on, so this is behind all that starts with the holder.
    local from = after == '' and '-' or '(' .. after .. '{'
    local entry = redis.call('ZRANGEBYLEX', roomKey, from, '+', 'LIMIT', 0, 1)[1]
    local dot = entry and string.find(entry, '.', 1, true)
    local holder = dot and string.sub(entry, 1, dot + 4)
    -- An entry that no store wrote may name no holder, or the same one forever.
    if not holder or holder == after then
      break
    end
    after = holder
    if not seen[after] then
      seen[after] = true
      reply[#reply + 1] = after
    end
  end
  after = ''
end
reply[1], reply[3] = #ARGV - 2, fixed
return reply

-- Purpose: Goes through rooms of one partition, up to a number of look-ups: lists the holders that
--          own their members, removes rooms without members from the index, and corrects the index
--          of records.
-- KEYS:    1 the partition's index of rooms; 2 its rooms by expiry of their record;
--          then for each room: its members, its record
-- ARGV:    1 the holder, as `<server id>.<incarnation>`, after which to continue in the first room,
--          or ''; 2 maximum number of look-ups; then the rooms, in the order of KEYS
-- Returns: {number of finished rooms, the holder after which to continue in the first unfinished
--          room, or '', number of rooms with a correction, holder, ...}
-- Cost:    O(rooms + look-ups * log members of a room)
-- Cluster: all keys carry the tag of the rooms' partition
-- Uses:    clock, key-lifetimes, room-record-entries
local indexKey, recordsKey = KEYS[1], KEYS[2]
local after, left = ARGV[1], tonumber(ARGV[2])

-- Corrects the two indexes for one room. Returns whether something was wrong.
local function reconcileRoom(room, roomKey, recordKey)
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
  if after == '' and reconcileRoom(room, roomKey, KEYS[2 * i - 2]) then
    fixed = fixed + 1
  end
  while true do
    if left == 0 then
      reply[1], reply[2], reply[3] = i - 3, after, fixed
      return reply
    end
    left = left - 1
    -- Bytes from '{' on do not occur in connection ids, so this range begins after every entry of the holder.
    local from = after == '' and '-' or '(' .. after .. '{'
    local entry = redis.call('ZRANGEBYLEX', roomKey, from, '+', 'LIMIT', 0, 1)[1]
    local dot = entry and string.find(entry, '.', 1, true)
    local holder = dot and string.sub(entry, 1, dot + 4)
    -- An entry that no store wrote may contain no holder, or the holder of the previous look-up. Stop there,
    -- because each further look-up would find the same entry.
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

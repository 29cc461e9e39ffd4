-- Purpose: Numbers a room's message, stores and publishes it, unless the history already has it.
--          Begins another history if the present one lacks messages that were acknowledged,
--          because it has then lost its latest writes. Publishes before it writes: if publishing
--          fails, nothing has been written.
-- KEYS:    1 the room's messages; 2 the room's position; 3 the numbers received from the sender;
--          4 the room's channel
-- ARGV:    1 and 2 the parts of the message before and after its stamp; 3 the sender's epoch; 4 the
--          message's number in that epoch; 5 the epoch for a history that begins now; 6 maximum
--          number of messages; 7 time to live of messages in ms; 8 time to live of the position in
--          ms; 9 the command to publish with; 10 '1' if the message certainly was not stored before;
--          11 and 12 the epoch of the history that acknowledged the sender's latest message, and the
--          number of that message; 0 and 0 if they are not known
-- Returns: {epoch, offset}
-- Cost:    O(size of the message), and the removal of at most two expired messages and of those beyond the
--          maximum number
-- Cluster: all keys and the channel carry the tag of the room's partition
-- Flags:   none
-- Uses:    clock, acl-check, history-position
local historyKey, positionKey, senderKey, channel = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local before, after, senderEpoch, sequence = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local newEpoch, maxMessages, ttlMs, positionTtlMs, publishCommand, isNew =
  ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10] == '1'
local knownEpoch, knownSequence = ARGV[11], tonumber(ARGV[12])

-- Maximum number of missing numbers kept per sender. Messages with these numbers may still arrive, because the
-- link may resend out of order.
local MISSING_MAX = 64

local function whole(number)
  return string.format('%.0f', number)
end

-- The former offset of a history that replaces one with lost writes. It is greater than any offset, so that no
-- reader counts as having reached the end of the replaced history.
local FURTHEST = '9007199254740991'

-- The sender's record holds its epoch, the highest number received, and the lower numbers not received yet.
-- Returns whether the message is new, whether an acknowledged number is missing, and the updated record.
local function judge()
  local record = {}
  local stored = redis.call('GET', senderKey) or ''
  -- Fast path for the usual case: the next number, and none is missing.
  if stored == senderEpoch .. ' ' .. whole(sequence - 1) then
    return true, false, senderEpoch .. ' ' .. whole(sequence)
  end
  for field in string.gmatch(stored, '%d+') do
    record[#record + 1] = field
  end
  if record[1] ~= senderEpoch then
    record = { senderEpoch, '0' }
  end
  local highest = tonumber(record[2])
  local isFirst, isSetBack = sequence > highest, knownSequence > highest
  if isFirst then
    for number = math.max(highest + 1, sequence - MISSING_MAX), sequence - 1 do
      record[#record + 1] = whole(number)
    end
    while #record > MISSING_MAX + 2 do
      table.remove(record, 3)
    end
    record[2] = whole(sequence)
  else
    for i = 3, #record do
      if record[i] == whole(sequence) then
        table.remove(record, i)
        isFirst = true
        break
      end
    end
  end
  return isFirst, isSetBack, table.concat(record, ' ')
end

local isFirst, isSetBack, record = judge()
if not isFirst and not isNew then
  local epoch, offset = openHistory(historyKey, positionKey, newEpoch, positionTtlMs)
  redis.call('SET', senderKey, record, 'PX', ttlMs)
  return { epoch, whole(offset) }
end

local epoch, offset, isKnown = readPosition(positionKey, newEpoch)
local formerEpoch = isSetBack and epoch == knownEpoch and epoch
if formerEpoch then
  epoch, offset = newEpoch, 0
end
offset = offset + 1
local message = before .. '"epoch":' .. epoch .. ',"offset":' .. whole(offset) .. ',' .. after

local commands = historyCommands(historyKey, positionKey)
for _, command in ipairs({
  { 'SET', senderKey, '' },
  { 'RPUSH', historyKey, '' },
  { 'LTRIM', historyKey, '0', '-1' },
  { 'LINDEX', historyKey, '0' },
  { 'LPOP', historyKey },
}) do
  commands[#commands + 1] = command
end
local missing = missingPermission(commands)
if missing then
  return missing
end
-- Fails before anything is published if the key holds another type.
redis.call('LLEN', historyKey)
redis.call(publishCommand, channel, message)

if formerEpoch then
  restartHistory(historyKey, positionKey, newEpoch, positionTtlMs, formerEpoch, FURTHEST)
elseif not isKnown then
  beginHistory(historyKey, positionKey, newEpoch)
end
redis.call('SET', senderKey, record, 'PX', ttlMs)
redis.call('HSET', positionKey, 'offset', whole(offset))
redis.call('PEXPIRE', positionKey, positionTtlMs)
-- Each entry is the time in milliseconds, as 13 digits, followed by the message.
local length = redis.call('RPUSH', historyKey, string.format('%013.0f', nowMs) .. message)
if length > maxMessages then
  redis.call('LTRIM', historyKey, -maxMessages, -1)
end
for _ = 1, 2 do
  local oldest = redis.call('LINDEX', historyKey, 0)
  if tonumber(string.sub(oldest, 1, 13)) > nowMs - ttlMs then
    break
  end
  redis.call('LPOP', historyKey)
end
redis.call('PEXPIRE', historyKey, ttlMs)
return { epoch, whole(offset) }

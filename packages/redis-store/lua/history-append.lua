-- Purpose: Numbers a room's message, stores it and publishes it, unless it was sent before.
--          Where the history lacks what it had acknowledged, another one begins: it was set back.
-- KEYS:    1 the room's messages; 2 its place; 3 what came of the sender; 4 the room's channel
-- ARGV:    1 and 2 the message, before and after its stamp; 3 the sender's epoch; 4 the
--          message's number in it; 5 the epoch of a history that begins now; 6 most messages;
--          7 time to live of messages in ms; 8 of the place; 9 the command to publish with;
--          10 1 where it certainly was not sent before; 11 and 12 the epoch of the history and
--          the highest number of the sender that it acknowledged lately, or 0 and 0
-- Returns: {epoch, offset}
-- Cost:    O(size of the message), and two that grew too old at most
-- Cluster: all keys and the channel carry the tag of the room's partition
-- Uses:    history
local historyKey, placeKey, senderKey, channel = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local before, after, senderEpoch, sequence = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local newEpoch, maxMessages, ttlMs, placeTtlMs, publishCommand, isNew =
  ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10] == '1'
local knownEpoch, knownSequence = ARGV[11], tonumber(ARGV[12])

-- Numbers that a sender has skipped and that may still come: the link may send again out of order.
local MISSING_MAX = 64

local function whole(number)
  return string.format('%.0f', number)
end

-- More than any offset: nobody has come as far as the history that was lost.
local FURTHEST = '9007199254740991'

-- Its record is the epoch, the highest number, and those below it that have not come. Whether
-- the message comes first, and whether one is missing that was acknowledged.
local function judge()
  local record = {}
  local stored = redis.call('GET', senderKey) or ''
  -- The short way, for what almost always is: the next number, and none is missing.
  if stored == senderEpoch .. ' ' .. whole(sequence - 1) then
    redis.call('SET', senderKey, senderEpoch .. ' ' .. whole(sequence), 'PX', ttlMs)
    return true, false
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
  redis.call('SET', senderKey, table.concat(record, ' '), 'PX', ttlMs)
  return isFirst, isSetBack
end

local epoch, offset = openHistory(historyKey, placeKey, newEpoch, placeTtlMs)
local isFirst, isSetBack = judge()
if not isFirst and not isNew then
  return { epoch, whole(offset) }
end
if isSetBack and epoch == knownEpoch then
  restartHistory(historyKey, placeKey, newEpoch, placeTtlMs, epoch, FURTHEST)
  epoch, offset = newEpoch, 0
end

offset = offset + 1
local message = before .. '"epoch":' .. epoch .. ',"offset":' .. whole(offset) .. ',' .. after
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', placeKey, 'offset', whole(offset))
-- Each is stored behind 13 digits: when, in milliseconds.
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
redis.call(publishCommand, channel, message)
return { epoch, whole(offset) }

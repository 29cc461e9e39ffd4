-- Returns the room's epoch, its latest offset and whether they are known; writes nothing. If they are not
-- known, returns the given epoch and 0, because the messages of any earlier history can then not be
-- identified.
local function readPosition(positionKey, newEpoch)
  local position = redis.call('HMGET', positionKey, 'epoch', 'offset')
  if not position[1] or not position[2] then
    return newEpoch, 0, false
  end
  return position[1], tonumber(position[2]), true
end

local function beginHistory(historyKey, positionKey, newEpoch)
  redis.call('DEL', historyKey)
  redis.call('HSET', positionKey, 'epoch', newEpoch, 'offset', 0)
end

-- Like readPosition, but begins a history if none is known. The position is kept for `ttlMs`.
local function openHistory(historyKey, positionKey, newEpoch, ttlMs)
  local epoch, offset, isKnown = readPosition(positionKey, newEpoch)
  if not isKnown then
    beginHistory(historyKey, positionKey, newEpoch)
  end
  redis.call('PEXPIRE', positionKey, ttlMs)
  return epoch, offset
end

-- Begins another history under the given epoch. `formerOffset` is the offset that the previous history is
-- known to have reached: a reader that had not reached this offset there has missed messages.
local function restartHistory(historyKey, positionKey, newEpoch, ttlMs, formerEpoch, formerOffset)
  redis.call('DEL', historyKey)
  redis.call('HSET', positionKey, 'epoch', newEpoch, 'offset', 0, 'formerEpoch', formerEpoch, 'formerOffset', formerOffset)
  redis.call('PEXPIRE', positionKey, ttlMs)
end

-- The commands that beginHistory, openHistory and restartHistory run, to be checked by missingPermission.
local function historyCommands(historyKey, positionKey)
  return { { 'DEL', historyKey }, { 'HSET', positionKey, 'epoch', '' }, { 'PEXPIRE', positionKey, '1' } }
end

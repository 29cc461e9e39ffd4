-- Returns the room's epoch, its latest offset and whether they are known; writes nothing. If they are not
-- known, returns the given epoch and 0, because the messages of any earlier history can then not be
-- identified.
local function readPlace(placeKey, newEpoch)
  local place = redis.call('HMGET', placeKey, 'epoch', 'offset')
  if not place[1] or not place[2] then
    return newEpoch, 0, false
  end
  return place[1], tonumber(place[2]), true
end

local function beginHistory(historyKey, placeKey, newEpoch)
  redis.call('DEL', historyKey)
  redis.call('HSET', placeKey, 'epoch', newEpoch, 'offset', 0)
end

-- Like readPlace, but begins a history if none is known. The position is kept for `ttlMs`.
local function openHistory(historyKey, placeKey, newEpoch, ttlMs)
  local epoch, offset, isKnown = readPlace(placeKey, newEpoch)
  if not isKnown then
    beginHistory(historyKey, placeKey, newEpoch)
  end
  redis.call('PEXPIRE', placeKey, ttlMs)
  return epoch, offset
end

-- Begins another history under the given epoch. `formerOffset` is the offset that the previous history is
-- known to have reached: a reader that had not reached this offset there has missed messages.
local function restartHistory(historyKey, placeKey, newEpoch, ttlMs, formerEpoch, formerOffset)
  redis.call('DEL', historyKey)
  redis.call('HSET', placeKey, 'epoch', newEpoch, 'offset', 0, 'formerEpoch', formerEpoch, 'formerOffset', formerOffset)
  redis.call('PEXPIRE', placeKey, ttlMs)
end

-- The commands that beginHistory, openHistory and restartHistory run, to be checked by missingPermission.
local function historyCommands(historyKey, placeKey)
  return { { 'DEL', historyKey }, { 'HSET', placeKey, 'epoch', '' }, { 'PEXPIRE', placeKey, '1' } }
end

-- The room's epoch and its latest offset, without a write; the epoch given and 0 where none is
-- known, since nothing of what was there before can be told apart then. Whether it is known.
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

-- The same as readPlace, and begins a history where none is known. The place is known for `ttlMs`.
local function openHistory(historyKey, placeKey, newEpoch, ttlMs)
  local epoch, offset, isKnown = readPlace(placeKey, newEpoch)
  if not isKnown then
    beginHistory(historyKey, placeKey, newEpoch)
  end
  redis.call('PEXPIRE', placeKey, ttlMs)
  return epoch, offset
end

-- Begins another history under the epoch given. `former` says how far the one before has come
-- at least: who had not come as far in it has missed some.
local function restartHistory(historyKey, placeKey, newEpoch, ttlMs, formerEpoch, formerOffset)
  redis.call('DEL', historyKey)
  redis.call('HSET', placeKey, 'epoch', newEpoch, 'offset', 0, 'formerEpoch', formerEpoch, 'formerOffset', formerOffset)
  redis.call('PEXPIRE', placeKey, ttlMs)
end

-- What a history takes to be written, or to begin.
local function historyCommands(historyKey, placeKey)
  return { { 'DEL', historyKey }, { 'HSET', placeKey, 'epoch', '' }, { 'PEXPIRE', placeKey, '1' } }
end

-- The room's epoch and its latest offset; with the epoch given where none is known, since
-- nothing of what was there before can be told apart then. The place is known for `ttlMs`.
local function openHistory(historyKey, placeKey, newEpoch, ttlMs)
  local place = redis.call('HMGET', placeKey, 'epoch', 'offset')
  if not place[1] or not place[2] then
    redis.call('DEL', historyKey)
    redis.call('HSET', placeKey, 'epoch', newEpoch, 'offset', 0)
    place = { newEpoch, '0' }
  end
  redis.call('PEXPIRE', placeKey, ttlMs)
  return place[1], tonumber(place[2])
end

-- Begins another history under the epoch given. `former` says how far the one before has come
-- at least: who had not come as far in it has missed some.
local function restartHistory(historyKey, placeKey, newEpoch, ttlMs, formerEpoch, formerOffset)
  redis.call('DEL', historyKey)
  redis.call('HSET', placeKey, 'epoch', newEpoch, 'offset', 0, 'formerEpoch', formerEpoch, 'formerOffset', formerOffset)
  redis.call('PEXPIRE', placeKey, ttlMs)
end

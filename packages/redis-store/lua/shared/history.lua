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

-- Whether this client has the right to all that is written after a message was published. What
-- is published can't be taken back, and publishing itself fails before anything is written.
local function mayWriteHistory(historyKey, placeKey)
  return redis.acl_check_cmd('DEL', historyKey)
    and redis.acl_check_cmd('HSET', placeKey, 'epoch', '')
    and redis.acl_check_cmd('PEXPIRE', placeKey, '1')
end

local NO_RIGHT = redis.error_reply('NOPERM this client may not run all commands of the script')

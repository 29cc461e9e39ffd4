-- How long departures are kept, and the maximum number of them.
local DEPARTED_KEEP_MS, DEPARTED_MAX = 600000, 1000

-- Stores that a holder is gone. The member with an empty name gives the time from which the list is complete.
-- It is set when a lease is acquired, and is missing if Redis has lost it.
local function depart(departuresKey, holder, nowMs)
  if not holdsSortedSet(departuresKey) then
    return
  end
  redis.call('ZADD', departuresKey, nowMs, holder)
  local fromMs = math.max(tonumber(redis.call('ZSCORE', departuresKey, '') or nowMs), nowMs - DEPARTED_KEEP_MS)
  local beyond = redis.call('ZREVRANGE', departuresKey, DEPARTED_MAX, DEPARTED_MAX, 'WITHSCORES')
  if beyond[2] then
    fromMs = math.max(fromMs, tonumber(beyond[2]) + 1)
  end
  redis.call('ZREMRANGEBYSCORE', departuresKey, '-inf', string.format('(%.0f', fromMs))
  redis.call('ZADD', departuresKey, fromMs, '')
end

-- If no lease is left, no server needs the departures.
local function dropDepartures(leasesKey, departuresKey)
  if redis.call('EXISTS', leasesKey) == 0 and holdsSortedSet(departuresKey) then
    redis.call('DEL', departuresKey)
  end
end

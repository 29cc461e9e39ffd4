-- How long a holder is listed as gone, and the maximum number of listed holders.
local DEPARTED_KEEP_MS, DEPARTED_MAX = 600000, 1000

-- Stores that a holder is gone. The score of the member with an empty name is the time from which the list is
-- complete. Acquiring a lease sets this member, so it is missing only if Redis has lost it.
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

-- Deletes the list if there is no lease, because then no server needs it.
local function dropDepartures(leasesKey, departuresKey)
  if redis.call('EXISTS', leasesKey) == 0 and holdsSortedSet(departuresKey) then
    redis.call('DEL', departuresKey)
  end
end

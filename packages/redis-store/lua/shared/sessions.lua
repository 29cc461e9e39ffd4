-- Counts as activity of a game that has a session.
local function keepSession(sessionKey, sessionsKey, game, nowMs, ttlMs)
  redis.call('HSET', sessionKey, 'lastActivity', nowMs)
  redis.call('PEXPIRE', sessionKey, ttlMs)
  redis.call('ZADD', sessionsKey, nowMs + ttlMs, game)
  dropOldest(sessionsKey, nowMs)
  keepAtLeast(sessionsKey, ttlMs)
end

local function dropSession(sessionKey, sessionsKey, game)
  redis.call('DEL', sessionKey)
  redis.call('ZREM', sessionsKey, game)
end

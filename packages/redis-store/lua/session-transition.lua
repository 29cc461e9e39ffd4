-- Purpose: Moves a game's session to another state, where the one it is in leads there.
-- KEYS:    1 the session; 2 the partition's games by expiry of their session
-- ARGV:    1 the game; 2 the state to move to; 3 time to live of a session in ms;
--          then the states that lead there
-- Returns: {1, created at, last activity, server id}, {0, state it is in} where that leads
--          elsewhere, or {} where there is no session
-- Cost:    O(log games of the partition)
-- Cluster: all keys carry the tag of the room's partition
-- Uses:    upkeep, sessions
local sessionKey, sessionsKey = KEYS[1], KEYS[2]
local game, to, ttlMs = ARGV[1], ARGV[2], tonumber(ARGV[3])

local session = redis.call('HMGET', sessionKey, 'state', 'createdAt', 'serverInstance')
if not session[1] then
  return {}
end
for i = 4, #ARGV do
  if ARGV[i] == session[1] then
    local time = redis.call('TIME')
    local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    redis.call('HSET', sessionKey, 'state', to)
    keepSession(sessionKey, sessionsKey, game, nowMs, ttlMs)
    return { 1, session[2], nowMs, session[3] }
  end
end
return { 0, session[1] }

-- Purpose: Counts as activity of a game.
-- KEYS:    1 the session; 2 the partition's games by expiry of their session
-- ARGV:    1 the game; 2 time to live of a session in ms
-- Returns: 1, or 0 where there is no session
-- Cost:    O(log games of the partition)
-- Cluster: all keys carry the tag of the room's partition
-- Uses:    upkeep, sessions
local sessionKey, sessionsKey = KEYS[1], KEYS[2]
local game, ttlMs = ARGV[1], tonumber(ARGV[2])

if redis.call('EXISTS', sessionKey) == 0 then
  return 0
end
local time = redis.call('TIME')
keepSession(sessionKey, sessionsKey, game, tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), ttlMs)
return 1

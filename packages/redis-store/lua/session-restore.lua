-- Purpose: Writes sessions of one partition that were lost, where their rooms have members.
-- KEYS:    1 the partition's games by expiry of their session;
--          then for each game: its session, its room's members
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live of a session in ms; then
--          for each game: its id, state, created at, last activity, server id
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(games * log games of the partition)
-- Cluster: all keys carry the tag of the rooms' partition
-- Uses:    upkeep, sessions
local sessionsKey = KEYS[1]
local fenceMs, ttlMs = tonumber(ARGV[1]), tonumber(ARGV[2])

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if nowMs >= fenceMs then
  return -1
end
for i = 2, #KEYS, 2 do
  local sessionKey, roomKey = KEYS[i], KEYS[i + 1]
  if redis.call('EXISTS', sessionKey) == 0 and redis.call('EXISTS', roomKey) == 1 then
    local at = 3 + (i - 2) / 2 * 5
    keepSession(sessionKey, sessionsKey, ARGV[at], nowMs, ttlMs)
    redis.call('HSET', sessionKey, 'state', ARGV[at + 1], 'createdAt', ARGV[at + 2],
      'lastActivity', ARGV[at + 3], 'serverInstance', ARGV[at + 4])
  end
end
return 1

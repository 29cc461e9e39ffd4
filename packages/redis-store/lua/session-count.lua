-- Purpose: Counts the games of one partition that have a session.
-- KEYS:    1 the partition's games by expiry of their session
-- ARGV:    none
-- Returns: the number of games
-- Cost:    O(log games of the partition)
-- Cluster: one key
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', nowMs), '+inf')

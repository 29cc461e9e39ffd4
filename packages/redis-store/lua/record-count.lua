-- Purpose: Counts the rooms of one partition that have a record.
-- KEYS:    1 the partition's rooms by expiry of their record
-- ARGV:    none
-- Returns: the number of rooms
-- Cost:    O(log rooms of the partition)
-- Cluster: one key
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', nowMs), '+inf')

-- Purpose: Counts the rooms of one partition that have a record.
-- KEYS:    1 the partition's rooms by expiry of their record
-- ARGV:    none
-- Returns: the number of rooms
-- Cost:    O(log rooms of the partition)
-- Cluster: one key
-- Uses:    clock
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', nowMs), '+inf')

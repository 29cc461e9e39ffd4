-- Purpose: Reads all records of a record partition and the rooms of their connections.
-- KEYS:    1 the record partition's records; 2 the record partition's rooms
-- ARGV:    none
-- Returns: {{field, value, ...}, {room entry, ...}}
-- Cost:    O(records, about 64, and the rooms of their connections)
-- Cluster: all keys carry the tag of the owning server
-- A script reads both keys, so that the reply has the same shape whatever the options of the client are.
return { redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1) }

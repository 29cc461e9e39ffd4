-- Purpose: Reads a shelf.
-- KEYS:    1 the shelf's records; 2 the shelf's rooms
-- ARGV:    none
-- Returns: {{field, value, ...}, {entry of a room, ...}}
-- Cost:    O(records, about 64, and rooms that their connections are in)
-- Cluster: all keys carry the tag of the owning server
-- Inside of a script, so that the reply has one shape whatever the client's options are.
return { redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1) }

-- Purpose: Reads a shelf.
-- KEYS:    1 the shelf
-- ARGV:    none
-- Returns: {field, value, field, value, ...}
-- Cost:    O(records), about 64
-- Cluster: one key
-- Inside of a script, so that the reply has one shape whatever the client's options are.
return redis.call('HGETALL', KEYS[1])

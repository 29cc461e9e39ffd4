-- Purpose: Reads the record of one connection and the rooms that the connection is in.
-- KEYS:    1 the record partition's records; 2 the record partition's rooms
-- ARGV:    1 the connection's field, which is its id without the server id
-- Returns: {value, room entry, ...}, or {} if there is no record
-- Cost:    O(log rooms of the record partition + rooms of the connection)
-- Cluster: all keys carry the tag of the owning server
local recordsKey, joinedKey = KEYS[1], KEYS[2]
local field = ARGV[1]

local value = redis.call('HGET', recordsKey, field)
if not value then
  return {}
end
local reply = redis.call('ZRANGEBYLEX', joinedKey, '[' .. field .. '|', '(' .. field .. '}')
table.insert(reply, 1, value)
return reply

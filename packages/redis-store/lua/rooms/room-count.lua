-- Purpose: Counts the members of a room whose owners are among those given.
-- KEYS:    1 the room's members
-- ARGV:    holders, that is `<server id>.<incarnation>`
-- Returns: the number of members
-- Cost:    O(holders * log members of the room)
-- Cluster: one key
local roomKey = KEYS[1]

local count = 0
if redis.call('EXISTS', roomKey) == 1 then
  for _, holder in ipairs(ARGV) do
    -- No connection id has a byte from '{' on.
    count = count + redis.call('ZLEXCOUNT', roomKey, '[' .. holder, '(' .. holder .. '{')
  end
end
return count

-- Purpose: Counts the members of a room whose owner is one of the given holders.
-- KEYS:    1 the room's members
-- ARGV:    holders, each as `<server id>.<incarnation>`
-- Returns: the number of members
-- Cost:    O(holders * log members of the room)
-- Cluster: one key
local roomKey = KEYS[1]

local count = 0
if redis.call('EXISTS', roomKey) == 1 then
  for _, holder in ipairs(ARGV) do
    -- Bytes from '{' on do not occur in connection ids, so this range is every entry that starts with the holder.
    count = count + redis.call('ZLEXCOUNT', roomKey, '[' .. holder, '(' .. holder .. '{')
  end
end
return count

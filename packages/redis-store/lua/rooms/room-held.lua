-- Purpose: Reads the members that one holder has in rooms of one partition, up to a number.
-- KEYS:    the rooms' members
-- ARGV:    1 the holder, that is `<server id>.<incarnation>`; 2 in the first room, the member
--          after whom to go on, or ''; 3 the most members
-- Returns: {{member, ...}, ...} of the rooms in order, as far as it got: of the last one
--          there may be more where the most were returned
-- Cost:    O(rooms * log members of a room + members returned)
-- Cluster: all keys carry the tag of the rooms' partition
local holder, after, left = ARGV[1], ARGV[2], tonumber(ARGV[3])

local from = after == '' and '[' .. holder or '(' .. after
local reply = {}
for i, roomKey in ipairs(KEYS) do
  -- No connection id has a byte from '{' on, so this is all that starts with the holder.
  reply[i] = redis.call('ZRANGEBYLEX', roomKey, from, '(' .. holder .. '{', 'LIMIT', 0, left)
  left = left - #reply[i]
  if left == 0 then
    return reply
  end
  from = '[' .. holder
end
return reply

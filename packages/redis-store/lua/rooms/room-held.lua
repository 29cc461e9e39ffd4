-- Purpose: Reads up to a number of members that one holder has in rooms of one partition.
-- KEYS:    the rooms' members
-- ARGV:    1 the holder, as `<server id>.<incarnation>`; 2 the member of the first room after which
--          to continue, or ''; 3 maximum number of members
-- Returns: {{member, ...}, ...} for the rooms in order, up to the room in which the maximum was
--          reached; that last room may have more members
-- Cost:    O(rooms * log members of a room + members returned)
-- Cluster: all keys carry the tag of the rooms' partition
local holder, after, left = ARGV[1], ARGV[2], tonumber(ARGV[3])

local from = after == '' and '[' .. holder or '(' .. after
local reply = {}
for i, roomKey in ipairs(KEYS) do
  -- Bytes from '{' on do not occur in connection ids, so this range is every entry that starts with the
  -- holder.
  reply[i] = redis.call('ZRANGEBYLEX', roomKey, from, '(' .. holder .. '{', 'LIMIT', 0, left)
  left = left - #reply[i]
  if left == 0 then
    return reply
  end
  from = '[' .. holder
end
return reply

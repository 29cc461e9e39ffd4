-- The rooms of connections, in the sorted set of their record partition, with all scores 0. An entry consists of the
-- connection's field, a '|' (which no field contains), the length of the room's name as two hexadecimal
-- digits, the name, and 13 hexadecimal digits that give the order of joining. Without the length, an entry of
-- room `a` could not be distinguished from one of a room named `a` followed by digits.
local function joinedRoomHead(field, room)
  return field .. '|' .. string.format('%02x', #room) .. room
end

local function addJoinedRoom(joinedKey, field, room, order)
  local head = joinedRoomHead(field, room)
  if redis.call('ZLEXCOUNT', joinedKey, '[' .. head, '(' .. head .. 'g') == 0 then
    redis.call('ZADD', joinedKey, 0, head .. string.format('%013x', order))
  end
end

local function dropJoinedRoom(joinedKey, field, room)
  local head = joinedRoomHead(field, room)
  redis.call('ZREMRANGEBYLEX', joinedKey, '[' .. head, '(' .. head .. 'g')
end

local function dropJoinedRooms(joinedKey, field)
  redis.call('ZREMRANGEBYLEX', joinedKey, '[' .. field .. '|', '(' .. field .. '}')
end

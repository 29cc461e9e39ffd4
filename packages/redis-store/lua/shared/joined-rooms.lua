-- The rooms of connections, in the sorted set of their record partition, with all scores 0. An entry consists of a head,
-- which identifies connection and room, and of 13 hexadecimal digits that give the order of joining.
local function addJoinedRoom(joinedKey, head, order)
  if redis.call('ZLEXCOUNT', joinedKey, '[' .. head, '(' .. head .. 'g') == 0 then
    redis.call('ZADD', joinedKey, '0', head .. string.format('%013x', order))
  end
end

local function dropJoinedRoom(joinedKey, head)
  redis.call('ZREMRANGEBYLEX', joinedKey, '[' .. head, '(' .. head .. 'g')
end

-- The heads of a connection's rooms begin with its field and a '|', which no field contains.
local function dropJoinedRooms(joinedKey, field)
  redis.call('ZREMRANGEBYLEX', joinedKey, '[' .. field .. '|', '(' .. field .. '}')
end

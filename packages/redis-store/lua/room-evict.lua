-- Purpose: Takes members of a dead server out of a room, and says who they were.
-- KEYS:    1 the partition's index of rooms; 2 the room's members
-- ARGV:    1 when the right to write runs out, in ms; 2 the room; 3 the dead holder, that is
--          `<server id>.<incarnation>`; 4 the most to take out
-- Returns: {1, member, member, ...}, or {-1} where the right has run out
-- Cost:    O(log members of the room + members taken out)
-- Cluster: all keys carry the tag of the room's partition
local indexKey, roomKey = KEYS[1], KEYS[2]
local fenceMs, room, holder, most = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return { -1 }
end
-- No connection id has a byte from '{' on, so this is all that starts with the holder.
local reply = redis.call('ZRANGEBYLEX', roomKey, '[' .. holder, '(' .. holder .. '{', 'LIMIT', 0, most)
for _, member in ipairs(reply) do
  redis.call('ZREM', roomKey, member)
end
if redis.call('EXISTS', roomKey) == 0 then
  redis.call('SREM', indexKey, room)
end
table.insert(reply, 1, 1)
return reply

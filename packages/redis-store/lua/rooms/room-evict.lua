-- Purpose: Takes members of a dead server out of a room, says who they were, and announces
--          it where that is wanted; with the last one the room's record goes.
-- KEYS:    1 the partition's index of rooms; 2 the room's members; 3 its roster, which is the
--          channel too; 4 its record; 5 the partition's rooms by expiry of their record
-- ARGV:    1 when the right to write runs out, in ms; 2 the room; 3 PUBLISH or SPUBLISH;
--          4 the dead holder, that is `<server id>.<incarnation>`; 5 the most to take out
-- Returns: {1, member, member, ...}, or -1 where the right has run out
-- Cost:    O(log members of the room + members taken out)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   allow-oom
-- Uses:    clock, fence, rights, feed, rosters, upkeep, records
local indexKey, roomKey, rosterKey, recordKey, recordsKey = unpack(KEYS)
local room, publishCommand, holder, most = ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local roster = openRoster(rosterKey, publishCommand, nowMicros)
-- No connection id has a byte from '{' on, so this is all that starts with the holder.
local reply = redis.call('ZRANGEBYLEX', roomKey, '[' .. holder, '(' .. holder .. '{', 'LIMIT', 0, most)
for _, member in ipairs(reply) do
  redis.call('ZREM', roomKey, member)
  if roster then
    tellMember(roster, 'left', member, nil, 'lost')
  end
end
keepRosterMark(rosterKey, roster)
if redis.call('EXISTS', roomKey) == 0 then
  redis.call('SREM', indexKey, room)
  dropRecord(recordKey, recordsKey, room)
end
table.insert(reply, 1, 1)
return reply

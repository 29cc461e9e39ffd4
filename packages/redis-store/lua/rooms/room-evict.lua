-- Purpose: Removes members of a dead server from a room, returns them, and announces it if the
--          room's roster is watched. When the last member is removed, deletes the room's record.
-- KEYS:    1 the partition's index of rooms; 2 the room's members; 3 its roster, also the channel
--          name; 4 its record; 5 the partition's rooms by expiry of their record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 the room; 3 PUBLISH or SPUBLISH; 4 the dead
--          holder, as `<server id>.<incarnation>`; 5 maximum number of members to remove
-- Returns: {1, member, member, ...}, or -1 if the fence has passed
-- Cost:    O(log members of the room + members removed)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   allow-oom
-- Uses:    clock, fence, rights, feed, rosters, upkeep, records
local indexKey, roomKey, rosterKey, recordKey, recordsKey = unpack(KEYS)
local room, publishCommand, holder, most = ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local roster = openRoster(rosterKey, publishCommand, nowMicros)
-- Bytes from '{' on do not occur in connection ids, so this range is every entry that starts with the holder.
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

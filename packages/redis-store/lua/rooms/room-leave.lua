-- Purpose: Removes members from a room, and announces their departure if the room's roster is
--          watched. When the last member leaves, removes the room from the index and deletes its
--          record.
-- KEYS:    1 the partition's index of rooms; 2 the room's members; 3 its roster, also the channel
--          name; 4 its record; 5 the partition's rooms by expiry of their record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 the room; 3 PUBLISH or SPUBLISH;
--          4 the reason, left or closed; then the members' entries
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(members given * log members of the room)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   allow-oom
-- Uses:    clock, fence, acl-check, change-feed, roster-feed, key-lifetimes, room-record-entries
local indexKey, roomKey, rosterKey, recordKey, recordsKey = unpack(KEYS)
local room, publishCommand, reason = ARGV[2], ARGV[3], ARGV[4]

local roster = openRoster(rosterKey, publishCommand)
for i = 5, #ARGV do
  if redis.call('ZREM', roomKey, ARGV[i]) == 1 and roster then
    announceMember(roster, 'left', ARGV[i], nil, reason)
  end
end
keepRosterMark(rosterKey, roster)
if redis.call('EXISTS', roomKey) == 0 then
  redis.call('SREM', indexKey, room)
  dropRecord(recordKey, recordsKey, room)
end
return 1

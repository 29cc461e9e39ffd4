-- Purpose: Announces new metadata of a room's members, if the room's roster is watched.
-- KEYS:    1 the room's members; 2 its roster, also the channel name
-- ARGV:    1 the fence, in ms of Redis's clock; 2 PUBLISH or SPUBLISH;
--          then for each member: entry, metadata or ''
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(members given * log members of the room) if the roster is watched, else O(1)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   none
-- Uses:    clock, fence, acl-check, change-feed, roster-feed
local roomKey, rosterKey = KEYS[1], KEYS[2]
local publishCommand = ARGV[2]

local roster = openRoster(rosterKey, publishCommand, nowMicros)
if roster then
  for i = 3, #ARGV, 2 do
    if redis.call('ZSCORE', roomKey, ARGV[i]) then
      announceMember(roster, 'updated', ARGV[i], ARGV[i + 1])
    end
  end
  keepRosterMark(rosterKey, roster)
end
return 1

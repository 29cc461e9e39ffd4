-- Purpose: Removes members of a dead server from rooms of one partition, up to a maximum number,
--          returns them, and announces them in rooms whose roster is watched. When the last member
--          of a room is removed, deletes the room's record.
-- KEYS:    1 the partition's index of rooms; 2 its rooms by expiry of their record; then for each
--          room: its members; its roster, also the channel name; its record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 PUBLISH or SPUBLISH; 3 the dead holder, as
--          `<server id>.<incarnation>`; 4 maximum number of members to remove; then the rooms, in
--          the order of KEYS
-- Returns: {1, {member, ...}, ...}, one array per processed room, in order. If the maximum was
--          reached, the last of these rooms may have more members. Instead of its members, a room
--          may have the error that kept it from being processed. -1 if the fence has passed
-- Cost:    O(rooms * log members of a room + members removed)
-- Cluster: all keys carry the tag of the rooms' partition
-- Flags:   allow-oom
-- Uses:    clock, fence, acl-check, change-feed, roster-feed, key-lifetimes, room-record-entries, protected-call
local indexKey, recordsKey = KEYS[1], KEYS[2]
local publishCommand, holder, left = ARGV[2], ARGV[3], tonumber(ARGV[4])

local function evict(room, roomKey, rosterKey, recordKey)
  local roster = openRoster(rosterKey, publishCommand)
  -- Bytes from '{' on do not occur in connection ids, so this range is every entry that starts with the holder.
  local members = redis.call('ZRANGEBYLEX', roomKey, '[' .. holder, '(' .. holder .. '{', 'LIMIT', 0, left)
  if #members > 0 then
    redis.call('ZREM', roomKey, unpack(members))
  end
  if roster then
    for _, member in ipairs(members) do
      announceMember(roster, 'left', member, nil, 'lost')
    end
  end
  keepRosterMark(rosterKey, roster)
  if redis.call('EXISTS', roomKey) == 0 then
    redis.call('SREM', indexKey, room)
    dropRecord(recordKey, recordsKey, room)
  end
  return members
end

local reply = { 1 }
for i = 5, #ARGV do
  local at = 3 * (i - 5) + 3
  local outcome = protectedCall(evict, ARGV[i], KEYS[at], KEYS[at + 1], KEYS[at + 2])
  reply[#reply + 1] = outcome
  left = left - #outcome
  if left == 0 then
    return reply
  end
end
return reply

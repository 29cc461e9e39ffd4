-- Purpose: Adds members to rooms, or announces new metadata of existing members; announces in rooms
--          whose roster is watched. Creates or renews a room's record if requested.
-- KEYS:    for each room: 1 the partition's index of rooms; 2 the room's members; 3 its roster, also the
--          channel name; 4 its record; 5 the partition's rooms by expiry of their record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 PUBLISH or SPUBLISH; 4 a
--          record's time to live in ms; then for each room: its name; '1' to announce nothing; '1' to
--          add no member; '1' if it is to have a record; the record's initial value; number of members;
--          and for each member: entry, metadata or ''
-- Returns: for each room, 1, or the error that kept it from being written. -1 instead of all if the
--          fence has passed
-- Cost:    O(members given * log members of a room)
-- Cluster: all keys carry the tag of the rooms' partition; more than one partition only outside of a
--          Cluster
-- Flags:   none
-- Uses:    clock, fence, acl-check, change-feed, roster-feed, key-lifetimes, room-record-entries, protected-call
local ttlMs, publishCommand, recordTtlMs = ARGV[2], ARGV[3], tonumber(ARGV[4])

local function join(at, last, indexKey, roomKey, rosterKey, recordKey, recordsKey)
  local room, quiet, onlyExisting = ARGV[at], ARGV[at + 1] == '1', ARGV[at + 2] == '1'
  local hasRecord, value = ARGV[at + 3] == '1', ARGV[at + 4]
  local roster = not quiet and openRoster(rosterKey, publishCommand)
  if onlyExisting then
    if roster then
      for i = at + 6, last, 2 do
        if redis.call('ZSCORE', roomKey, ARGV[i]) then
          announceMember(roster, 'updated', ARGV[i], ARGV[i + 1])
        end
      end
      keepRosterMark(rosterKey, roster)
    end
    return 1
  end
  for i = at + 6, last, 2 do
    -- All scores are equal, so that the members are ordered by their bytes.
    if redis.call('ZADD', roomKey, 0, ARGV[i]) == 1 and roster then
      announceMember(roster, 'joined', ARGV[i], ARGV[i + 1])
    end
  end
  keepRosterMark(rosterKey, roster)
  redis.call('PEXPIRE', roomKey, ttlMs)
  if redis.call('SADD', indexKey, room) == 1 then
    keepAtLeast(indexKey, tonumber(ttlMs))
  end
  if hasRecord then
    if redis.call('EXISTS', recordKey) == 0 then
      writeRecord(recordKey, value, nowMicros, nowMs)
    end
    keepRecord(recordKey, recordsKey, room, nowMs, recordTtlMs)
  end
  return 1
end

if #KEYS == 5 then
  return { join(5, #ARGV, unpack(KEYS)) }
end
local reply, at = {}, 5
for i = 1, #KEYS, 5 do
  local last = at + 5 + 2 * tonumber(ARGV[at + 5])
  reply[#reply + 1] = protectedCall(join, at, last, unpack(KEYS, i, i + 4))
  at = last + 1
end
return reply

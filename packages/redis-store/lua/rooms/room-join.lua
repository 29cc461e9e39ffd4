-- Purpose: Adds members to a room, and announces them if the room's roster is watched. Creates or
--          renews the room's record if requested.
-- KEYS:    1 the partition's index of rooms; 2 the room's members; 3 its roster, also the channel
--          name; 4 its record; 5 the partition's rooms by expiry of their record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 the room; 4 PUBLISH or
--          SPUBLISH; 5 1 to announce nothing; 6 1 if the room is to have a record; 7 the record's
--          initial value; 8 the record's time to live in ms; then for each member: entry, metadata
--          or ''
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(members given * log members of the room)
-- Cluster: all keys carry the tag of the room's partition
-- Flags:   none
-- Uses:    clock, fence, permissions, change-feed, roster-feed, key-lifetimes, room-record-entries
local indexKey, roomKey, rosterKey, recordKey, recordsKey = unpack(KEYS)
local ttlMs, room, publishCommand = ARGV[2], ARGV[3], ARGV[4]
local quiet, hasRecord, value, recordTtlMs = ARGV[5] == '1', ARGV[6] == '1', ARGV[7], tonumber(ARGV[8])

local roster = not quiet and openRoster(rosterKey, publishCommand, nowMicros)
for i = 9, #ARGV, 2 do
  -- All scores are equal, so that the members are ordered by their bytes.
  if redis.call('ZADD', roomKey, 0, ARGV[i]) == 1 and roster then
    announceMember(roster, 'joined', ARGV[i], ARGV[i + 1])
  end
end
keepRosterMark(rosterKey, roster)
redis.call('SADD', indexKey, room)
redis.call('PEXPIRE', roomKey, ttlMs)
redis.call('PEXPIRE', indexKey, ttlMs)
if hasRecord then
  if redis.call('EXISTS', recordKey) == 0 then
    writeRecord(recordKey, value, nowMicros, nowMs)
  end
  keepRecord(recordKey, recordsKey, room, nowMs, recordTtlMs)
end
return 1

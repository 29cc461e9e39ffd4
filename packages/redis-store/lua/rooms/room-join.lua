-- Purpose: Adds members to rooms, or announces new metadata of existing members; announces in rooms
--          whose roster is watched. Creates or renews a room's record if requested.
-- KEYS:    for each room: 1 the partition's index of rooms; 2 the room's members; 3 its roster, also the
--          channel name; and if it is to have a record: 4 its record; 5 the partition's rooms by expiry of
--          their record
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 PUBLISH or SPUBLISH; 4 a
--          record's time to live in ms; then for each room: its name; options, any of the letters q (announce
--          nothing), x (add no member), r (it is to have a record); with r, the record's initial value; number
--          of the arguments that follow for it; and for each member: entry, metadata or ''
-- Returns: for each room, 1, or the error that kept it from being written. -1 instead of all if the
--          fence has passed
-- Cost:    O(members given * log members of a room)
-- Cluster: all keys carry the tag of the rooms' partition; more than one partition only outside of a
--          Cluster
-- Flags:   none
-- Uses:    clock, fence, acl-check, change-feed, roster-feed, key-lifetimes, room-record-entries, protected-call
local ttlMs, publishCommand, recordTtlMs = ARGV[2], ARGV[3], tonumber(ARGV[4])

local function hasOption(options, letter)
  return options ~= '' and string.find(options, letter, 1, true) ~= nil
end

-- The members stand in ARGV from `first` to `last`.
local function join(room, options, first, last, indexKey, roomKey, rosterKey, recordKey, recordsKey)
  local roster = not hasOption(options, 'q') and openRoster(rosterKey, publishCommand)
  if hasOption(options, 'x') then
    if roster then
      for i = first, last, 2 do
        if redis.call('ZSCORE', roomKey, ARGV[i]) then
          announceMember(roster, 'updated', ARGV[i], ARGV[i + 1])
        end
      end
      keepRosterMark(rosterKey, roster)
    end
    return 1
  end
  for i = first, last, 2 do
    -- All scores are equal, so that the members are ordered by their bytes.
    if redis.call('ZADD', roomKey, '0', ARGV[i]) == 1 and roster then
      announceMember(roster, 'joined', ARGV[i], ARGV[i + 1])
    end
  end
  keepRosterMark(rosterKey, roster)
  redis.call('PEXPIRE', roomKey, ttlMs)
  if redis.call('SADD', indexKey, room) == 1 then
    keepAtLeast(indexKey, tonumber(ttlMs))
  end
  if recordKey then
    if redis.call('EXISTS', recordKey) == 0 then
      writeRecord(recordKey, ARGV[first - 2], nowMicros, nowMs)
    end
    keepRecord(recordKey, recordsKey, room, nowMs, recordTtlMs)
  end
  return 1
end

local reply, key, at = {}, 1, 5
while key <= #KEYS do
  local room, options = ARGV[at], ARGV[at + 1]
  local hasRecord = hasOption(options, 'r')
  local first, lastKey = at + (hasRecord and 4 or 3), key + (hasRecord and 4 or 2)
  at = first + tonumber(ARGV[first - 1])
  if lastKey == #KEYS and key == 1 then
    return { join(room, options, first, at - 1, unpack(KEYS)) }
  end
  reply[#reply + 1] = protectedCall(join, room, options, first, at - 1, unpack(KEYS, key, lastKey))
  key = lastKey + 1
end
return reply

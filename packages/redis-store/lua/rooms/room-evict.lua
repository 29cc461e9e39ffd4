-- Purpose: Takes members of a dead server out of rooms of one partition, up to a number, says who they
--          were, and announces it where that is wanted; with the last one a room's record goes.
-- KEYS:    1 the partition's index of rooms; 2 its rooms by expiry of their record; then for each
--          room: its members, its roster, which is the channel too, its record
-- ARGV:    1 when the right to write runs out, in ms; 2 PUBLISH or SPUBLISH; 3 the dead holder, that
--          is `<server id>.<incarnation>`; 4 the most to take out; then the rooms, in the order of KEYS
-- Returns: {1, {member, ...}, ...} of the rooms in order, as far as it got: of the last one there may
--          be more where the most were taken out; in place of the members, the error that kept a
--          room from being looked at. -1 where the right has run out
-- Cost:    O(rooms * log members of a room + members taken out)
-- Cluster: all keys carry the tag of the rooms' partition
-- Flags:   allow-oom
-- Uses:    clock, fence, rights, feed, rosters, upkeep, records
local indexKey, recordsKey = KEYS[1], KEYS[2]
local publishCommand, holder, left = ARGV[2], ARGV[3], tonumber(ARGV[4])

local function evict(room, roomKey, rosterKey, recordKey)
  local roster = openRoster(rosterKey, publishCommand, nowMicros)
  -- No connection id has a byte from '{' on, so this is all that starts with the holder.
  local members = redis.call('ZRANGEBYLEX', roomKey, '[' .. holder, '(' .. holder .. '{', 'LIMIT', 0, left)
  for _, member in ipairs(members) do
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
  return members
end

local reply = { 1 }
for i = 5, #ARGV do
  local at = 3 * (i - 5) + 3
  -- Something else in the place of one room's keys does not keep the others from being cleared.
  local done, outcome = pcall(evict, ARGV[i], KEYS[at], KEYS[at + 1], KEYS[at + 2])
  if not done and type(outcome) ~= 'table' then
    -- What a command fails with is caught as text, or as a reply: that differs between versions of Redis.
    outcome = redis.error_reply(outcome)
  end
  reply[#reply + 1] = outcome
  left = left - #outcome
  if left == 0 then
    return reply
  end
end
return reply

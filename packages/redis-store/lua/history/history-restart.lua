-- Purpose: Begins another history of a room where this one was set back behind a place that
--          it had reached: its next offsets were given to other messages before. The same
--          where this one was begun since the one before had been set back, but that one had
--          come further than the server that began this one knew.
--          Publishes before it writes: all of it is done, or nothing.
-- KEYS:    1 the room's messages; 2 its place; 3 the room's channel
-- ARGV:    1 epoch and 2 offset of the place that was reached; 3 the epoch of a history that
--          begins now; 4 time to live of the place in ms; 5 and 6 what is published where one
--          begins, before and after its stamp; 7 the command to publish with
-- Returns: {epoch, latest offset}
-- Cost:    O(messages that go)
-- Cluster: all keys and the channel carry the tag of the room's partition
-- Flags:   none
-- Uses:    rights, history
local historyKey, placeKey, channel = KEYS[1], KEYS[2], KEYS[3]
local reachedEpoch, reachedOffset = ARGV[1], tonumber(ARGV[2])
local newEpoch, placeTtlMs = ARGV[3], tonumber(ARGV[4])
local before, after, publishCommand = ARGV[5], ARGV[6], ARGV[7]

local epoch, offset = readPlace(placeKey, newEpoch)
local former = redis.call('HMGET', placeKey, 'formerEpoch', 'formerOffset')
local formerOffset
if epoch == reachedEpoch and offset < reachedOffset then
  formerOffset = ARGV[2]
elseif former[1] == reachedEpoch and tonumber(former[2]) < reachedOffset then
  -- Announced with too low a former offset: the next offset here marks all readers of this history
  -- as behind.
  formerOffset = string.format('%.0f', offset + 1)
else
  openHistory(historyKey, placeKey, newEpoch, placeTtlMs)
  return { epoch, string.format('%.0f', offset) }
end
local missing = missingRight(historyCommands(historyKey, placeKey))
if missing then
  return missing
end
redis.call(publishCommand, channel, before .. '"epoch":' .. newEpoch .. ',"offset":0,' .. after)
restartHistory(historyKey, placeKey, newEpoch, placeTtlMs, epoch, formerOffset)
return { newEpoch, '0' }

-- Purpose: Begins another history of a room if the present one was set back behind a position that
--          had been reached, because its next offsets were already given to other messages. Also
--          begins another one if the present history replaced the one with the reached position,
--          but was announced with a lower offset of that one: the server that began the present
--          history knew no higher one. Publishes before it writes: if publishing fails, nothing has
--          been written.
-- KEYS:    1 the room's messages; 2 the room's position; 3 the room's channel
-- ARGV:    1 epoch and 2 offset of the position that was reached; 3 the epoch for a history that
--          begins now; 4 time to live of the position in ms; 5 and 6 the notice to publish if one
--          begins: its parts before and after its stamp; 7 the command to publish with
-- Returns: {epoch, latest offset}
-- Cost:    O(messages removed)
-- Cluster: all keys and the channel carry the tag of the room's partition
-- Flags:   none
-- Uses:    acl-check, history-position
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
  -- This history was announced with too low a former offset. Use its next offset as the former offset of the
  -- new history, so that all readers of this history count as behind.
  formerOffset = string.format('%.0f', offset + 1)
else
  openHistory(historyKey, placeKey, newEpoch, placeTtlMs)
  return { epoch, string.format('%.0f', offset) }
end
local missing = missingPermission(historyCommands(historyKey, placeKey))
if missing then
  return missing
end
redis.call(publishCommand, channel, before .. '"epoch":' .. newEpoch .. ',"offset":0,' .. after)
restartHistory(historyKey, placeKey, newEpoch, placeTtlMs, epoch, formerOffset)
return { newEpoch, '0' }

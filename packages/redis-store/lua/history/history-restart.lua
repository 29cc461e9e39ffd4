-- Purpose: Begins another history of a room in two cases. Either the present history ends before a
--          position that it had reached: it has lost writes, and its next offsets were already given
--          to other messages. Or the present history replaced the one with the reached position, but
--          names a lower former offset, because the server that began it knew no higher one.
--          Publishes before it writes: if publishing fails, nothing has been written.
-- KEYS:    1 the room's messages; 2 the room's position; 3 the room's channel
-- ARGV:    1 epoch and 2 offset of the position that was reached; 3 the epoch for a history that
--          begins now; 4 time to live of the position in ms; 5 and 6 the parts, before and after the
--          stamp, of the notice that is published if a history begins; 7 the command to publish with
-- Returns: {epoch, latest offset}
-- Cost:    O(messages removed)
-- Cluster: all keys and the channel carry the tag of the room's partition
-- Flags:   none
-- Uses:    acl-check, history-position
local historyKey, positionKey, channel = KEYS[1], KEYS[2], KEYS[3]
local reachedEpoch, reachedOffset = ARGV[1], tonumber(ARGV[2])
local newEpoch, positionTtlMs = ARGV[3], tonumber(ARGV[4])
local before, after, publishCommand = ARGV[5], ARGV[6], ARGV[7]

local epoch, offset = readPosition(positionKey, newEpoch)
local former = redis.call('HMGET', positionKey, 'formerEpoch', 'formerOffset')
local formerOffset
if epoch == reachedEpoch and offset < reachedOffset then
  formerOffset = ARGV[2]
elseif former[1] == reachedEpoch and tonumber(former[2]) < reachedOffset then
  -- The present history was begun with too low a former offset. The new history gets the present one's next
  -- offset as its former offset. No reader has reached that offset, so all count as having missed messages.
  formerOffset = string.format('%.0f', offset + 1)
else
  openHistory(historyKey, positionKey, newEpoch, positionTtlMs)
  return { epoch, string.format('%.0f', offset) }
end
local missing = missingPermission(historyCommands(historyKey, positionKey))
if missing then
  return missing
end
redis.call(publishCommand, channel, before .. '"epoch":' .. newEpoch .. ',"offset":0,' .. after)
restartHistory(historyKey, positionKey, newEpoch, positionTtlMs, epoch, formerOffset)
return { newEpoch, '0' }

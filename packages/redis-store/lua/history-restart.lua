-- Purpose: Begins another history of a room where this one was set back behind a place that
--          it had reached: its next offsets were given to other messages before.
-- KEYS:    1 the room's messages; 2 its place
-- ARGV:    1 epoch and 2 offset of the place that was reached; 3 the epoch of a history that
--          begins now; 4 time to live of the place in ms
-- Returns: {epoch, latest offset}
-- Cost:    O(messages that go)
-- Cluster: all keys carry the tag of the room's partition
-- Uses:    history
local historyKey, placeKey = KEYS[1], KEYS[2]
local reachedEpoch, reachedOffset = ARGV[1], tonumber(ARGV[2])
local newEpoch, placeTtlMs = ARGV[3], tonumber(ARGV[4])

local epoch, offset = openHistory(historyKey, placeKey, newEpoch, placeTtlMs)
if epoch == reachedEpoch and offset < reachedOffset then
  redis.call('DEL', historyKey, placeKey)
  epoch, offset = openHistory(historyKey, placeKey, newEpoch, placeTtlMs)
end
return { epoch, string.format('%.0f', offset) }

-- Purpose: Reads the current position of a room's history, and the messages after a given position.
-- KEYS:    1 the room's messages; 2 the room's position
-- ARGV:    1 epoch and 2 offset of the given position; 3 maximum number of messages, 0 for none;
--          4 maximum number of bytes, except that one message is always returned; 5 the epoch for a
--          history that begins now; 6 time to live of the room's position in ms
-- Returns: {epoch, latest offset, 1 if no message after the given position was dropped, offset of
--          the first returned message, epoch of the previous history, the offset that the previous
--          history is known to have reached (both '' if none is known), messages...}
-- Cost:    O(messages returned and those before the first)
-- Cluster: all keys carry the tag of the room's partition
-- Uses:    history-position
local historyKey, positionKey = KEYS[1], KEYS[2]
local fromEpoch, fromOffset, limit, maxBytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local newEpoch, positionTtlMs = ARGV[5], tonumber(ARGV[6])

-- Messages read at a time: reading all at once might read far more bytes than are returned.
local STEP = 16

local epoch, offset = openHistory(historyKey, positionKey, newEpoch, positionTtlMs)
local former = redis.call('HMGET', positionKey, 'formerEpoch', 'formerOffset')
local reply = { epoch, string.format('%.0f', offset), '0', '0', former[1] or '', former[2] or '' }
local head = #reply
if epoch ~= fromEpoch or fromOffset > offset then
  return reply
end
local oldest = offset - redis.call('LLEN', historyKey) + 1
local first = math.max(fromOffset + 1, oldest)
if fromOffset + 1 >= oldest then
  reply[3] = '1'
end
reply[4] = string.format('%.0f', first)
local bytes = 0
local last = math.min(offset, first + limit - 1)
for from = first, last, STEP do
  local stored = redis.call('LRANGE', historyKey, from - oldest, math.min(last, from + STEP - 1) - oldest)
  for _, entry in ipairs(stored) do
    local message = string.sub(entry, 14)
    bytes = bytes + #message
    if bytes > maxBytes and #reply > head then
      return reply
    end
    reply[#reply + 1] = message
  end
end
return reply

-- Purpose: Reads where a room's history is, and what came after a place in it.
-- KEYS:    1 the room's messages; 2 its place
-- ARGV:    1 epoch and 2 offset of the place; 3 most messages, 0 for none; 4 most bytes, but
--          for the first message; 5 the epoch of a history that begins now; 6 time to live of
--          the place in ms
-- Returns: {epoch, latest offset, 1 where nothing after the place is gone, offset of the first
--          message, epoch and offset that the history before this one had reached at least
--          or two empty ones, messages...}
-- Cost:    O(messages answered and those before the first)
-- Cluster: all keys carry the tag of the room's partition
-- Uses:    history
local historyKey, placeKey = KEYS[1], KEYS[2]
local fromEpoch, fromOffset, limit, maxBytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local newEpoch, placeTtlMs = ARGV[5], tonumber(ARGV[6])

-- Messages read at a time: more might be far more bytes than are answered.
local STEP = 16

local epoch, offset = openHistory(historyKey, placeKey, newEpoch, placeTtlMs)
local former = redis.call('HMGET', placeKey, 'formerEpoch', 'formerOffset')
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

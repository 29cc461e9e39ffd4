-- Purpose: Forgets a shelf of a dead server.
-- KEYS:    1 the shelf
-- ARGV:    1 when the right to write runs out, in ms
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(1); the memory is given back in the background
-- Cluster: one key
local shelfKey = KEYS[1]
local fenceMs = tonumber(ARGV[1])

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
redis.call('UNLINK', shelfKey)
return 1

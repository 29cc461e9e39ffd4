-- Purpose: Takes records of connections off their owner's shelves.
-- KEYS:    the shelves that are written to
-- ARGV:    1 when the right to write runs out, in ms;
--          then for each record: number of its shelf among KEYS, field
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(records)
-- Cluster: all keys carry the tag of the owning server
local fenceMs = tonumber(ARGV[1])

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
for i = 2, #ARGV, 2 do
  redis.call('HDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
end
return 1

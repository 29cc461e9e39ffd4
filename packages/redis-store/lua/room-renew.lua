-- Purpose: Renews the time to live of rooms of one partition and of their index.
-- KEYS:    1 the partition's index of rooms; then the rooms' members
-- ARGV:    1 when the right to write runs out, in ms; 2 time to live in ms;
--          then the rooms, in the order of KEYS
-- Returns: 1, or -1 where the right has run out
-- Cost:    O(rooms)
-- Cluster: all keys carry the tag of the rooms' partition
local indexKey = KEYS[1]
local fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]

local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then
  return -1
end
for i = 2, #KEYS do
  if redis.call('PEXPIRE', KEYS[i], ttlMs) == 0 then
    -- It ran out before, which the index can't know by itself.
    redis.call('SREM', indexKey, ARGV[i + 1])
  end
end
redis.call('PEXPIRE', indexKey, ttlMs)
return 1

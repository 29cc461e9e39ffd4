-- Purpose: Makes a room announce the changes of its roster, for at least a given time.
-- KEYS:    1 the room's roster
-- ARGV:    1 minimum duration in ms
-- Returns: version of the latest change
-- Cost:    O(1)
-- Cluster: one key
-- Uses:    clock, key-lifetimes
local rosterKey, ttlMs = KEYS[1], tonumber(ARGV[1])

local version = redis.call('GET', rosterKey)
if version then
  keepAtLeast(rosterKey, ttlMs)
  return version
end
version = string.format('%.0f', nowMicros)
redis.call('SET', rosterKey, version, 'PX', ttlMs)
return version

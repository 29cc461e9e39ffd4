-- Purpose: Lists the servers that may exist, and those that have gone recently.
-- KEYS:    1 leases; 2 recently gone holders, by time
-- ARGV:    none
-- Returns: {ms since the time from which key 2 is complete (negative if that time is yet to come),
--          1 if key 2 holds another type, number of holders with a lease, number of expired leases
--          among these, holder (those with expired leases first), ..., gone holder, ms ago, ...}
-- Cost:    O(servers + recently gone holders, at most 1,000)
-- Cluster: all keys carry the tag {servers}
-- Uses:    clock, key-types
local leasesKey, departuresKey = KEYS[1], KEYS[2]

local holders = redis.call('ZRANGE', leasesKey, 0, -1)
local isReadable = holdsSortedSet(departuresKey)
local departures = isReadable and redis.call('ZRANGE', departuresKey, 0, -1, 'WITHSCORES') or {}
local lapsed = redis.call('ZCOUNT', leasesKey, '-inf', string.format('%.0f', nowMs))
local reply = { 0, isReadable and 0 or 1, #holders, lapsed }
for _, holder in ipairs(holders) do
  reply[#reply + 1] = holder
end
for i = 1, #departures, 2 do
  local agoMs = nowMs - tonumber(departures[i + 1])
  if departures[i] == '' then
    reply[1] = agoMs
  else
    reply[#reply + 1] = departures[i]
    reply[#reply + 1] = agoMs
  end
end
return reply

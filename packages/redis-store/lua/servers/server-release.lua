-- Purpose: Releases a lease and removes the server from the registry.
-- KEYS:    1 leases; 2 the server's record; 3 recently gone holders, by time; 4 holders by their last
--          sign of life
-- ARGV:    1 holder; 2 token
-- Returns: 1 if the lease was released, 0 if the token does not hold it
-- Cost:    O(log servers), and the removal of gone holders that are listed for too long or beyond the
--          maximum number
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, key-types, recently-gone
local leasesKey, serverKey, departuresKey, signsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local holder, token = ARGV[1], tonumber(ARGV[2])

local heldToken = tonumber(redis.call('HGET', serverKey, 'token') or -1)
local heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
-- Only the reaper unregisters a server whose lease has expired, because there may be entries to clean up.
if heldToken ~= token or heldUntilMs <= nowMs then
  return 0
end
redis.call('ZREM', leasesKey, holder)
redis.call('DEL', serverKey)
if holdsSortedSet(signsKey) then
  redis.call('ZREM', signsKey, holder)
end
depart(departuresKey, holder, nowMs)
dropDepartures(leasesKey, departuresKey)
return 1

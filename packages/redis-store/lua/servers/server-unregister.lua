-- Purpose: Removes a dead server from the registry after it was cleaned up.
-- KEYS:    1 leases; 2 the dead server's record; 3 reaped holders, by time; 4 recently gone holders,
--          by time; 5 holders by their last sign of life
-- ARGV:    1 server id; 2 incarnation; 3 expiry of the claim in ms; 4 how long to remember the
--          holder as reaped, in ms
-- Returns: 1 if the server was removed, 0 if the claim is no longer held, 2 if the server was
--          removed but key 3 holds another type
-- Cost:    O(log servers), and the removal of gone holders that are listed for too long or beyond the
--          maximum number
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, key-lifetimes, key-types, recently-gone
local leasesKey, serverKey, reapedKey, departuresKey, signsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local serverId, incarnation = ARGV[1], ARGV[2]
local claimExpiresAtMs, keepMs = tonumber(ARGV[3]), tonumber(ARGV[4])

local holder = serverId .. '.' .. incarnation

local leaseMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
-- Another claimant gets a claim on an incarnation only after the previous claim has expired, so a claim that has
-- not expired is the current one.
if claimExpiresAtMs <= nowMs or leaseMs > nowMs or redis.call('HGET', serverKey, 'incarnation') ~= incarnation then
  return 0
end
redis.call('ZREM', leasesKey, holder)
redis.call('DEL', serverKey)
if holdsSortedSet(signsKey) then
  redis.call('ZREM', signsKey, holder)
end
depart(departuresKey, holder, nowMs)
dropDepartures(leasesKey, departuresKey)
if not holdsSortedSet(reapedKey) then
  return 2
end
redis.call('ZADD', reapedKey, nowMs, holder)
dropOldest(reapedKey, nowMs - keepMs)
redis.call('PEXPIRE', reapedKey, keepMs)
return 1

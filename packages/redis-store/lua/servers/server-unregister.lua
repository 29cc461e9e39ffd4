-- Purpose: Forgets a dead server that was cleaned up.
-- KEYS:    1 leases; 2 the dead server's record; 3 holders that were cleaned up after, by time;
--          4 departures, by time; 5 holders by their last sign of life
-- ARGV:    1 server id; 2 incarnation; 3 expiry of the claim in ms;
--          4 how long to remember that it was cleaned up after, in ms
-- Returns: 1 where it was forgotten, 0 where the claim is no longer held, 2 where it was forgotten
--          and something else lies in the place of key 3
-- Cost:    O(log servers), and what goes over the limit of departures
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, upkeep, holds, recently-gone
local leasesKey, serverKey, reapedKey, departuresKey, signsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local serverId, incarnation = ARGV[1], ARGV[2]
local claimExpiresAtMs, keepMs = tonumber(ARGV[3]), tonumber(ARGV[4])

local holder = serverId .. '.' .. incarnation

local leaseMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
-- Of all claims on an incarnation that were ever given, only the holder's have time left.
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

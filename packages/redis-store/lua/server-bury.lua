-- Purpose: Forgets a dead server that was cleaned up.
-- KEYS:    1 leases; 2 the dead server's record
-- ARGV:    1 server id; 2 incarnation; 3 expiry of the claim in ms
-- Returns: 1 where it was forgotten, 0 where the claim is no longer held
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
local leasesKey, serverKey = KEYS[1], KEYS[2]
local serverId, incarnation, claimExpiresAtMs = ARGV[1], ARGV[2], tonumber(ARGV[3])

local holder = serverId .. '.' .. incarnation

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local leaseMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
-- Of all claims on an incarnation that were ever given, only the holder's have time left.
if claimExpiresAtMs <= nowMs or leaseMs > nowMs or redis.call('HGET', serverKey, 'incarnation') ~= incarnation then
  return 0
end
redis.call('ZREM', leasesKey, holder)
redis.call('DEL', serverKey)
return 1

-- Purpose: Gives the right to remove what a holder has left that has neither a lease nor a record.
-- KEYS:    1 leases; 2 the record of its server; 3 holders whose remains are removed, by when
--          the right to do so ends
-- ARGV:    1 holder, that is `<server id>.<incarnation>`; 2 its incarnation; 3 duration in ms;
--          4 how long to remember it, in ms
-- Returns: expiry in ms, or 0 where the holder lives or waits to be cleaned up after
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, upkeep
local leasesKey, serverKey, remainsKey = KEYS[1], KEYS[2], KEYS[3]
local holder, incarnation, claimMs, keepMs = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local leaseMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
if leaseMs > nowMs or redis.call('HGET', serverKey, 'incarnation') == incarnation then
  return 0
end
-- One without a record can't be claimed as dead servers are: no need to name it as one.
redis.call('ZREM', leasesKey, holder)
-- Never earlier than what another one was told before: that one may still act on it.
local expiresAtMs = math.max(nowMs + claimMs, tonumber(redis.call('ZSCORE', remainsKey, holder) or 0))
redis.call('ZADD', remainsKey, expiresAtMs, holder)
dropOldest(remainsKey, nowMs - keepMs)
redis.call('PEXPIRE', remainsKey, keepMs + claimMs)
return expiresAtMs

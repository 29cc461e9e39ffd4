-- Purpose: Ends the lease of a server whose last sign of life has at least a given age.
-- KEYS:    1 leases; 2 the server's record; 3 holders by their last sign of life
-- ARGV:    1 holder; 2 incarnation; 3 minimum age of the last sign of life in ms
-- Returns: 'expired' if the lease is ended, by this call or before; 'recent' if the last sign of
--          life is younger; 'alive' if no sign of life is known
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, key-types
local leasesKey, serverKey, signsKey = KEYS[1], KEYS[2], KEYS[3]
local holder, incarnation, silentForMs = ARGV[1], ARGV[2], tonumber(ARGV[3])

local leaseMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
if leaseMs <= nowMs or redis.call('HGET', serverKey, 'incarnation') ~= incarnation then
  return 'expired'
end
local signMs = holdsSortedSet(signsKey) and tonumber(redis.call('ZSCORE', signsKey, holder) or nil)
if not signMs then
  return 'alive'
end
if signMs > nowMs - silentForMs then
  return 'recent'
end
redis.call('ZADD', leasesKey, nowMs, holder)
redis.call('HSET', serverKey, 'expiresAt', nowMs)
redis.call('ZREM', signsKey, holder)
return 'expired'

-- Purpose: Acquires or extends the exclusive claim to clean up after a dead server, or a claim to
--          remove the leftovers of a holder that has neither a lease nor a record (an orphan).
-- KEYS:    1 leases; 2 the server's record; 3 orphans that are being removed, by expiry of the
--          claim
-- ARGV:    1 server id; 2 incarnation of an orphan, '' for a dead server; 3 claimant; 4 duration in
--          ms; 5 how long to remember a claim on an orphan, in ms
-- Returns: {incarnation, partition bits, expiry in ms}, or {} if the server cannot be claimed
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, key-lifetimes
local leasesKey, serverKey, orphansKey = KEYS[1], KEYS[2], KEYS[3]
local serverId, orphan, claimant = ARGV[1], ARGV[2], ARGV[3]
local claimMs, keepMs = tonumber(ARGV[4]), tonumber(ARGV[5])

local record = redis.call('HMGET', serverKey, 'incarnation', 'partitionBits', 'claimant', 'claimExpiresAt')
local incarnation = orphan ~= '' and orphan or record[1]
if not incarnation or record[1] == orphan then
  return {}
end
local holder = serverId .. '.' .. incarnation
if tonumber(redis.call('ZSCORE', leasesKey, holder) or 0) > nowMs then
  return {}
end
local expiresAtMs = nowMs + claimMs
if orphan == '' then
  local claimedUntilMs = tonumber(record[4]) or 0
  if claimedUntilMs > nowMs and record[3] ~= claimant then
    return {}
  end
  -- Never shorten the claim: the claimant may still act on the expiry that was returned to it before.
  expiresAtMs = math.max(expiresAtMs, claimedUntilMs)
  redis.call('HSET', serverKey, 'claimant', claimant, 'claimExpiresAt', expiresAtMs)
  return { incarnation, tonumber(record[2]), expiresAtMs }
end
-- A server without a record cannot be claimed as dead, so stop listing it as dead.
redis.call('ZREM', leasesKey, holder)
-- This claim never ends before that of another claimant, which may still act on the expiry that was returned to it.
expiresAtMs = math.max(expiresAtMs, tonumber(redis.call('ZSCORE', orphansKey, holder) or 0))
redis.call('ZADD', orphansKey, expiresAtMs, holder)
dropOldest(orphansKey, nowMs - keepMs)
redis.call('PEXPIRE', orphansKey, keepMs + claimMs)
return { incarnation, 0, expiresAtMs }

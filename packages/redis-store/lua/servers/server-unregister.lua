-- Purpose: Removes a server from the registry: a server that stops, under its lease, or a dead server
--          that was cleaned up, under the claim.
-- KEYS:    1 leases; 2 the server's record; 3 reaped holders, by time; 4 recently gone holders,
--          by time; 5 holders by their last sign of life
-- ARGV:    1 server id; 2 incarnation; 3 the lease's token, '' for a claim; 4 expiry of the claim in
--          ms; 5 how long to remember a dead holder as reaped, in ms
-- Returns: 1 if the server was removed, 0 if the lease or the claim is no longer held, 2 if the server
--          was removed under a claim but key 3 holds another type
-- Cost:    O(log servers), and the removal of gone holders that are listed for too long or beyond the
--          maximum number
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock, key-lifetimes, key-types, recently-gone
local leasesKey, serverKey, reapedKey, departuresKey, signsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local serverId, incarnation, token = ARGV[1], ARGV[2], tonumber(ARGV[3])
local claimExpiresAtMs, keepMs = tonumber(ARGV[4]), tonumber(ARGV[5])

local holder = serverId .. '.' .. incarnation

local heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
local record = redis.call('HMGET', serverKey, 'incarnation', 'token')
local isHeld
if token then
  -- Only the reaper unregisters a server whose lease has expired, because there may be entries to clean up.
  isHeld = heldUntilMs > nowMs and tonumber(record[2] or -1) == token
else
  -- Another claimant gets a claim on an incarnation only after the previous claim has expired, so a claim that has
  -- not expired is the current one.
  isHeld = claimExpiresAtMs > nowMs and heldUntilMs <= nowMs and record[1] == incarnation
end
if not isHeld then
  return 0
end
redis.call('ZREM', leasesKey, holder)
redis.call('DEL', serverKey)
if holdsSortedSet(signsKey) then
  redis.call('ZREM', signsKey, holder)
end
depart(departuresKey, holder, nowMs)
dropDepartures(leasesKey, departuresKey)
if token then
  return 1
end
if not holdsSortedSet(reapedKey) then
  return 2
end
redis.call('ZADD', reapedKey, nowMs, holder)
dropOldest(reapedKey, nowMs - keepMs)
redis.call('PEXPIRE', reapedKey, keepMs)
return 1

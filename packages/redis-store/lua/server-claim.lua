-- Purpose: Wins, or extends, the right to clean up after a dead server.
-- KEYS:    1 leases; 2 the dead server's record
-- ARGV:    1 server id; 2 claimant; 3 duration in ms
-- Returns: {incarnation, shelf bits, expiry in ms}, or {} where it can't be claimed
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   allow-oom
-- Uses:    clock
local leasesKey, serverKey = KEYS[1], KEYS[2]
local serverId, claimant, claimMs = ARGV[1], ARGV[2], tonumber(ARGV[3])

local record = redis.call('HMGET', serverKey, 'incarnation', 'shelfBits', 'claimant', 'claimExpiresAt')
if not record[1] then
  return {}
end
local leaseMs = tonumber(redis.call('ZSCORE', leasesKey, serverId .. '.' .. record[1]) or 0)
if leaseMs > nowMs then
  return {}
end
local claimedUntilMs = tonumber(record[4]) or 0
if claimedUntilMs > nowMs and record[3] ~= claimant then
  return {}
end

-- Never earlier than what the claimant was told before: it may still act on that.
local expiresAtMs = math.max(nowMs + claimMs, claimedUntilMs)
redis.call('HSET', serverKey, 'claimant', claimant, 'claimExpiresAt', expiresAtMs)
return { record[1], tonumber(record[2]), expiresAtMs }

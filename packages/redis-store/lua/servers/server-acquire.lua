-- Purpose: Acquires the lease of a server id, unless another incarnation holds it.
-- KEYS:    1 leases (holder, as `<server id>.<incarnation>`, by expiry); 2 the server's record;
--          3 reaped holders, by time; 4 orphans that are being removed, by expiry of the claim;
--          5 recently gone holders, by time
-- ARGV:    1 server id; 2 incarnation; 3 host; 4 port; 5 partition bits; 6 ttl in ms; 7 time to live of
--          the record in ms; 8 '1' if this process has held this lease before
-- Returns: {1, token, expiry in ms, 1 if others have begun to clean up after this holder, 1 if key
--          3 holds another type}, or {0, 1 if the present holder is dead but not cleaned up, expiry
--          of its lease in ms}
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   none
-- Uses:    clock, key-types, recently-gone
local leasesKey, serverKey, reapedKey, orphansKey, departuresKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local serverId, incarnation, host, port, partitionBits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local ttlMs, keepMs, isReturning = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'

local holder = serverId .. '.' .. incarnation

local held = redis.call('HMGET', serverKey, 'incarnation', 'token', 'startedAt', 'claimExpiresAt', 'claimant')
if held[1] then
  local heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, serverId .. '.' .. held[1]) or 0)
  local expired = heldUntilMs <= nowMs
  -- While another server cleans up, the same incarnation has to wait as well.
  local claimed = expired and (tonumber(held[4]) or 0) > nowMs
  if held[1] ~= incarnation or claimed then
    return { 0, expired and 1 or 0, heldUntilMs }
  end
end

-- Another server may be removing this holder's entries, because the holder was unknown for long and counts as an
-- orphan: refuse the lease until that server's claim expires. If key 4 holds another type, skip this check.
local orphanClaimMs = redis.pcall('ZSCORE', orphansKey, holder)
orphanClaimMs = type(orphanClaimMs) == 'string' and tonumber(orphanClaimMs)
if orphanClaimMs and orphanClaimMs > nowMs then
  return { 0, 1, 0 }
end
if orphanClaimMs then
  redis.call('ZREM', orphansKey, holder)
end

-- The token is derived from the clock, so that it also grows if the record was lost.
local token = math.max(nowMicros, (tonumber(held[2]) or 0) + 1)
local expiresAtMs = nowMs + ttlMs
local isFirst = redis.call('EXISTS', leasesKey) == 0
redis.call('ZADD', leasesKey, expiresAtMs, holder)
redis.call('HDEL', serverKey, 'claimant', 'claimExpiresAt')
-- Remove the holder from the reaped ones, so that the clean-up is reported only once: the clean-up does not
-- affect what is written under this lease from now on.
local isReadable = holdsSortedSet(reapedKey)
local reaped = isReadable and redis.call('ZREM', reapedKey, holder) == 1
if holdsSortedSet(departuresKey) then
  redis.call('ZREM', departuresKey, holder)
  local knownFromMs = tonumber(redis.call('ZSCORE', departuresKey, '') or nil)
  if isReturning and not held[1] then
    -- Another server has reaped this holder, the record has expired, or Redis has lost its data. In the last two
    -- cases, other servers may be gone without being listed, and others have not acquired their lease again yet,
    -- so the list counts as complete only from the end of this lease on.
    redis.call('ZADD', departuresKey, math.max(knownFromMs or 0, reaped and nowMs or expiresAtMs), '')
  elseif not knownFromMs then
    -- No server existed before the first one, so the list is complete.
    redis.call('ZADD', departuresKey, isFirst and nowMs - DEPARTED_KEEP_MS or nowMs, '')
  end
end
redis.call('HSET', serverKey,
  'incarnation', incarnation, 'token', token, 'host', host, 'port', port, 'partitionBits', partitionBits,
  'startedAt', held[3] or nowMs, 'lastHeartbeat', nowMs, 'expiresAt', expiresAtMs)
redis.call('HSETNX', serverKey, 'connections', 0)
redis.call('HSETNX', serverKey, 'rooms', 0)
redis.call('PEXPIRE', serverKey, keepMs)
return { 1, token, expiresAtMs, (reaped or orphanClaimMs or held[5]) and 1 or 0, isReadable and 0 or 1 }

-- Purpose: Acquires the lease of a server id, unless another incarnation holds it.
-- KEYS:    1 leases (holder, as `<server id>.<incarnation>`, by expiry); 2 the server's record;
--          3 reaped holders, by time; 4 orphans that are being removed, by expiry of the claim;
--          5 departures, by time
-- ARGV:    1 server id; 2 incarnation; 3 host; 4 port; 5 partition bits; 6 ttl in ms; 7 time to live of
--          the record in ms; 8 1 if this process has held this lease before
-- Returns: {1, token, expiry in ms, 1 if others have begun to clean up after this holder, 1 if key
--          3 holds another type}, or {0, 1 if the present holder is dead but not cleaned up, expiry
--          of its lease in ms}
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   none
-- Uses:    clock, key-types, recently-gone
local leasesKey, serverKey, reapedKey, remainsKey, departuresKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
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

-- The holder was unknown for long enough that another server removes it as an orphan: wait until that claim
-- expires. If the key holds another type, leases work without it.
local remainsMs = redis.pcall('ZSCORE', remainsKey, holder)
remainsMs = type(remainsMs) == 'string' and tonumber(remainsMs)
if remainsMs and remainsMs > nowMs then
  return { 0, 1, 0 }
end
if remainsMs then
  redis.call('ZREM', remainsKey, holder)
end

-- Derived from the clock, so that the token also grows if the record was lost.
local token = math.max(nowMicros, (tonumber(held[2]) or 0) + 1)
local expiresAtMs = nowMs + ttlMs
local isFirst = redis.call('EXISTS', leasesKey) == 0
redis.call('ZADD', leasesKey, expiresAtMs, holder)
redis.call('HDEL', serverKey, 'claimant', 'claimExpiresAt')
-- Remove the holder from the reaped ones, so that the clean-up is reported only once: it does not affect what
-- this lease writes from now on.
local isReadable = holdsSortedSet(reapedKey)
local buried = isReadable and redis.call('ZREM', reapedKey, holder) == 1
if holdsSortedSet(departuresKey) then
  redis.call('ZREM', departuresKey, holder)
  local knownFromMs = tonumber(redis.call('ZSCORE', departuresKey, '') or nil)
  if isReturning and not held[1] then
    -- The record expired while the server was away, or Redis has lost its data. Departures of servers that
    -- have not acquired their lease again yet may then be missing from the list.
    redis.call('ZADD', departuresKey, math.max(knownFromMs or 0, buried and nowMs or expiresAtMs), '')
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
return { 1, token, expiresAtMs, (buried or remainsMs or held[5]) and 1 or 0, isReadable and 0 or 1 }

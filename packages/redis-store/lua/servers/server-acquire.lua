-- Purpose: Takes the lease of a server id, unless another incarnation has it.
-- KEYS:    1 leases (holder, that is `<server id>.<incarnation>`, by expiry); 2 the server's record;
--          3 holders that were cleaned up after, by time; 4 holders whose remains are removed,
--          by when the right to do so ends; 5 departures, by time
-- ARGV:    1 server id; 2 incarnation; 3 host; 4 port; 5 shelf bits; 6 ttl in ms;
--          7 time to live of the record in ms; 8 1 where this process has held this lease before
-- Returns: {1, token, expiry in ms, 1 where others have begun to clean up after this holder, 1 where
--          something else lies in the place of key 3}, or {0, 1 where it is dead but not cleaned up,
--          expiry of the other's lease in ms}
-- Cost:    O(log servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   none
-- Uses:    clock, holds, recently-gone
local leasesKey, serverKey, reapedKey, remainsKey, departuresKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local serverId, incarnation, host, port, shelfBits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
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

-- It was unknown long enough for others to remove its leftovers: it waits until their right ends.
-- Where something else lies in the key's place, leases go on without it.
local remainsMs = redis.pcall('ZSCORE', remainsKey, holder)
remainsMs = type(remainsMs) == 'string' and tonumber(remainsMs)
if remainsMs and remainsMs > nowMs then
  return { 0, 1, 0 }
end
if remainsMs then
  redis.call('ZREM', remainsKey, holder)
end

-- From the clock, so that it also grows past a record that was forgotten.
local token = math.max(nowMicros, (tonumber(held[2]) or 0) + 1)
local expiresAtMs = nowMs + ttlMs
local isFirst = redis.call('EXISTS', leasesKey) == 0
redis.call('ZADD', leasesKey, expiresAtMs, holder)
redis.call('HDEL', serverKey, 'claimant', 'claimExpiresAt')
-- Reported once: that clean-up does not concern what this lease writes from now on.
local isReadable = holdsSortedSet(reapedKey)
local buried = isReadable and redis.call('ZREM', reapedKey, holder) == 1
if holdsSortedSet(departuresKey) then
  redis.call('ZREM', departuresKey, holder)
  local knownFromMs = tonumber(redis.call('ZSCORE', departuresKey, '') or nil)
  if isReturning and not held[1] then
    -- Its record expired while it was away, or Redis has lost its data: then servers that have not
    -- taken their lease again yet may have gone unrecorded.
    redis.call('ZADD', departuresKey, math.max(knownFromMs or 0, buried and nowMs or expiresAtMs), '')
  elseif not knownFromMs then
    -- No server existed before the first one: its list is complete.
    redis.call('ZADD', departuresKey, isFirst and nowMs - DEPARTED_KEEP_MS or nowMs, '')
  end
end
redis.call('HSET', serverKey,
  'incarnation', incarnation, 'token', token, 'host', host, 'port', port, 'shelfBits', shelfBits,
  'startedAt', held[3] or nowMs, 'lastHeartbeat', nowMs, 'expiresAt', expiresAtMs)
redis.call('HSETNX', serverKey, 'connections', 0)
redis.call('HSETNX', serverKey, 'rooms', 0)
redis.call('PEXPIRE', serverKey, keepMs)
return { 1, token, expiresAtMs, (buried or remainsMs or held[5]) and 1 or 0, isReadable and 0 or 1 }

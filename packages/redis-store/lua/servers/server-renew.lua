-- Purpose: Renews a lease, stores the server's counters, and lists dead servers.
-- KEYS:    1 leases; 2 the server's record; 3 reaped holders, by time
-- ARGV:    1 holder; 2 token; 3 ttl in ms; 4 connections; 5 rooms; 6 time to live of the record in
--          ms; 7 maximum number of dead holders to list, and of reaped ones
-- Returns: {expiry in ms, 1 if key 3 holds another type, number of dead holders, holder, ...} with
--          the dead holders first, then those reaped since the last heartbeat; or {} if the lease
--          is lost
-- Cost:    O(log servers + servers listed or dropped)
-- Cluster: all keys carry the tag {servers}
-- Flags:   none
-- Uses:    clock, key-types
local leasesKey, serverKey, reapedKey = KEYS[1], KEYS[2], KEYS[3]
local holder, token, ttlMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local connections, rooms, keepMs, most = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]

local record = redis.call('HMGET', serverKey, 'token', 'lastHeartbeat')
local heldToken = tonumber(record[1] or -1)
local heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
if heldToken ~= token or heldUntilMs <= nowMs then
  return {}
end

local expiresAtMs = nowMs + ttlMs
redis.call('ZADD', leasesKey, expiresAtMs, holder)
redis.call('HSET', serverKey,
  'lastHeartbeat', nowMs, 'expiresAt', expiresAtMs, 'connections', connections, 'rooms', rooms)
redis.call('PEXPIRE', serverKey, keepMs)
-- Remove the servers whose records have expired: everything else that these servers stored has expired as
-- well.
redis.call('ZREMRANGEBYSCORE', leasesKey, '-inf', string.format('(%.0f', nowMs - keepMs))
local dead = redis.call('ZRANGEBYSCORE', leasesKey, '-inf', nowMs, 'LIMIT', 0, most)
local isReadable = holdsSortedSet(reapedKey)
local reaped = isReadable and redis.call('ZRANGEBYSCORE', reapedKey, record[2] or nowMs, '+inf', 'LIMIT', 0, most) or {}
local reply = { expiresAtMs, isReadable and 0 or 1, #dead }
for _, holder in ipairs(dead) do
  reply[#reply + 1] = holder
end
for _, holder in ipairs(reaped) do
  reply[#reply + 1] = holder
end
return reply

-- Purpose: Stores a sign of life of a server, and lists the servers whose last sign of life has at
--          least a given age.
-- KEYS:    1 leases; 2 the server's record; 3 holders by their last sign of life
-- ARGV:    1 holder; 2 token; 3 age in ms of the last sign of life from which a server counts as
--          silent; 4 maximum number of servers to list; 5 time to live of key 3 in ms
-- Returns: {1, number of servers that do not count as silent, holder, ...} with the holders that
--          count as silent, or {0} if the lease is not held
-- Cost:    O(log servers + silent servers)
-- Cluster: all keys carry the tag {servers}
-- Flags:   none
-- Uses:    clock, key-types
local leasesKey, serverKey, signsKey = KEYS[1], KEYS[2], KEYS[3]
local holder, token, silentForMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most, keepMs = ARGV[4], ARGV[5]

local heldToken = tonumber(redis.call('HGET', serverKey, 'token') or -1)
local heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)
if heldToken ~= token or heldUntilMs <= nowMs then
  return { '0' }
end
if not holdsSortedSet(signsKey) then
  return { '1', '0' }
end
redis.call('ZADD', signsKey, nowMs, holder)
redis.call('PEXPIRE', signsKey, keepMs)
local silentFrom = string.format('%.0f', nowMs - silentForMs)
local reply = { '1', tostring(redis.call('ZCOUNT', signsKey, '(' .. silentFrom, '+inf')) }
local old = redis.call('ZRANGEBYSCORE', signsKey, '-inf', silentFrom, 'LIMIT', 0, most)
for _, silent in ipairs(old) do
  if tonumber(redis.call('ZSCORE', leasesKey, silent) or 0) > nowMs then
    reply[#reply + 1] = silent
  else
    -- The holder has no valid lease any more, so its sign of life is of no use.
    redis.call('ZREM', signsKey, silent)
  end
end
return reply

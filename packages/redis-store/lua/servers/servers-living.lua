-- Purpose: Lists the holders with a valid lease: all of them, or only those among the given
--          holders.
-- KEYS:    1 leases
-- ARGV:    holders, or none for all holders
-- Returns: {holder, holder, ...}
-- Cost:    O(living servers), or O(given holders)
-- Cluster: one key
-- Uses:    clock
local leasesKey = KEYS[1]

if #ARGV == 0 then
  return redis.call('ZRANGEBYSCORE', leasesKey, '(' .. string.format('%.0f', nowMs), '+inf')
end
local living = {}
for _, holder in ipairs(ARGV) do
  if tonumber(redis.call('ZSCORE', leasesKey, holder) or 0) > nowMs then
    living[#living + 1] = holder
  end
end
return living

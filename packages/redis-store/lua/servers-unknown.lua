-- Purpose: Names those of some holders that hold no lease and have no record.
-- KEYS:    1 leases; then for each holder the record of its server
-- ARGV:    for each holder, that is `<server id>.<incarnation>`: the holder, its incarnation
-- Returns: {holder, holder, ...}
-- Cost:    O(holders asked for * log servers)
-- Cluster: all keys carry the tag {servers}
-- Uses:    clock
local leasesKey = KEYS[1]

local unknown = {}
for i = 2, #KEYS do
  local holder, incarnation = ARGV[2 * i - 3], ARGV[2 * i - 2]
  local lives = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0) > nowMs
  if not lives and redis.call('HGET', KEYS[i], 'incarnation') ~= incarnation then
    unknown[#unknown + 1] = holder
  end
end
return unknown

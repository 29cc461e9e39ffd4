-- Whether the key can be used as a sorted set. Something else in its place stays as it is:
-- leases do not depend on it.
local function holdsSortedSet(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'zset' or kind == 'none'
end

-- Returns whether the key can be used as a sorted set. A value of another type is left as it is: leases do
-- not depend on the key.
local function holdsSortedSet(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'zset' or kind == 'none'
end

-- Returns whether the key is a sorted set or does not exist. If it holds another type, the script continues
-- without it, because leases must not depend on this key.
local function holdsSortedSet(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'zset' or kind == 'none'
end

-- Whether the key can hold who was cleaned up after. Something else in its place stays as it
-- is: leases do not depend on it.
local function holdsReaped(reapedKey)
  local kind = redis.call('TYPE', reapedKey).ok
  return kind == 'zset' or kind == 'none'
end

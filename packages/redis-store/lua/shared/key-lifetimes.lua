-- Ensures that a key lives for at least `ms` from now. A renewal gives it up to a second more, so that not every
-- write has to renew it. Returns whether it was renewed.
local function keepAtLeast(key, ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, math.ceil(ms + math.min(1000, ms / 64)))
    return true
  end
  return false
end

-- Removes members of a sorted set with scores up to `score`, at most 2 for each member that was added
-- (`added`, default 1). That is more than one write adds, so that the set shrinks, but too few to delay other
-- commands.
local function dropOldest(key, score, added)
  local old = redis.call('ZCOUNT', key, '-inf', score)
  if old > 0 then
    redis.call('ZREMRANGEBYRANK', key, '0', math.min(old, 2 * (added or 1)) - 1)
  end
end

-- Lets a key live for at least so long from now.
local function keepAtLeast(key, ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, ms)
  end
end

-- Drops some of what a sorted set has with scores up to `score`: more than one write
-- adds, and never so many that it would hold up others.
local function dropOldest(key, score)
  local old = redis.call('ZCOUNT', key, '-inf', string.format('%.0f', score))
  if old > 0 then
    redis.call('ZREMRANGEBYRANK', key, 0, math.min(old, 2) - 1)
  end
end

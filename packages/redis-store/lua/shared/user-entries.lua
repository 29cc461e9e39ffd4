-- A user's entries in the partition's sorted set begin with the user's head: the length of the name as two
-- hexadecimal digits, and the name. The entry of a connection continues with the connection's id, which
-- contains no byte from '{' on. An entry that is only the head means that the user is in the grace period.
local function headOf(user)
  return string.format('%02x', #user) .. user
end

local function countConnections(connectionsKey, head)
  return redis.call('ZLEXCOUNT', connectionsKey, '(' .. head, '(' .. head .. '{')
end

-- The arguments of a ZADD that gives all members the same score.
local function scored(score, members)
  local args = {}
  for i, member in ipairs(members) do
    args[2 * i - 1], args[2 * i] = score, member
  end
  return args
end

-- Counts these users as offline and stores when they were last online, unless `seenTtlMs` is '0'. Removes times from
-- before `seenSince`.
local function takeOffline(onlineKey, seenKey, users, now, seenSince, seenTtlMs)
  if #users == 0 then
    return
  end
  if redis.call('DECRBY', onlineKey, #users) <= 0 then
    redis.call('DEL', onlineKey)
  end
  if seenTtlMs ~= '0' then
    redis.call('ZADD', seenKey, unpack(scored(now, users)))
    dropOldest(seenKey, seenSince, #users)
    redis.call('PEXPIRE', seenKey, seenTtlMs)
  end
end

local function keepMark(versionKey, feed, ttlMs)
  if feed.announced > 0 then
    redis.call('SET', versionKey, feed.mark, 'PX', ttlMs)
  end
end

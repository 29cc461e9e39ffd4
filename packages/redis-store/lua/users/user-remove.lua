-- Purpose: Removes connections of users of some partitions, and announces this. A user without
--          connections is then offline, or in the grace period if there is one.
-- KEYS:    for each partition: 1 its connections, by user; 2 its number of online users; 3 metadata
--          by connection; 4 users in their grace period, by its end; 5 when users were last online;
--          6 version of its feed
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 PUBLISH or SPUBLISH; 4 time to
--          live of the version in ms; 5 grace period in ms; 6 how long to remember when users were last
--          online, in ms; then for each partition: its feed's channel, number of the arguments that
--          follow for it, and for each user, given once: the user's head, number of connections, connection
--          ids
-- Returns: for each partition, 1, or the error that kept it from being written. -1 instead of all if
--          the fence has passed
-- Cost:    O(connections given * log connections of a partition)
-- Cluster: all keys and the channel carry the tag of the users' partition; more than one partition
--          only outside of a Cluster
-- Flags:   allow-oom
-- Uses:    clock, fence, acl-check, change-feed, key-lifetimes, user-entries, protected-call
local ttlMs, publishCommand, versionTtlMs = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local graceMs, seenTtlMs = tonumber(ARGV[5]), ARGV[6]
-- As text, because a number would be formatted for each command that it is an argument of.
local now, seenSince = string.format('%.0f', nowMs), string.format('%.0f', nowMs - seenTtlMs)

-- Returns the connections of one partition, which stand in ARGV from `at` to `last`, as heads, ids and entries, each
-- connection once.
local function readConnections(at, last)
  local heads, ids, entries, known = {}, {}, {}, {}
  while at <= last do
    local head, lastOfUser = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
    for i = at + 2, lastOfUser do
      local entry = head .. ARGV[i]
      if not known[entry] then
        known[entry] = true
        heads[#heads + 1], ids[#ids + 1], entries[#entries + 1] = head, ARGV[i], entry
      end
    end
    at = lastOfUser + 1
  end
  return heads, ids, entries
end

-- One command of each kind reads or removes all connections, because a command costs more than its work for one.
local function remove(at, last, connectionsKey, onlineKey, metadataKey, leavingKey, seenKey, versionKey)
  local feed = openFeed(redis.call('GET', versionKey), ARGV[at], publishCommand)
  local heads, ids, entries = readConnections(at + 2, last)
  -- Keep those that are stored, at the front of the lists.
  local count = 0
  for i, score in ipairs(redis.call('ZMSCORE', connectionsKey, unpack(entries))) do
    if score then
      count = count + 1
      heads[count], ids[count], entries[count] = heads[i], ids[i], entries[i]
    end
  end
  if count == 0 then
    return 1
  end
  local metadata, described = redis.call('HMGET', metadataKey, unpack(ids, 1, count)), {}
  for i = 1, count do
    if metadata[i] then
      described[#described + 1] = ids[i]
    end
  end
  redis.call('ZREM', connectionsKey, unpack(entries, 1, count))
  if #described > 0 then
    redis.call('HDEL', metadataKey, unpack(described))
  end

  local left, offline = {}, {}
  for i = 1, count do
    local head = heads[i]
    local kind, user = 'closed', string.sub(head, 3)
    -- A user's connections are adjacent here, so only after the last of them can the user have none left.
    if (i == count or heads[i + 1] ~= head) and countConnections(connectionsKey, head) == 0 then
      if graceMs == 0 then
        kind = 'offline'
        offline[#offline + 1] = user
      else
        left[#left + 1] = user
        redis.call('ZADD', connectionsKey, '0', head)
      end
    end
    announce(feed, kind, user, ids[i], metadata[i])
  end
  takeOffline(onlineKey, seenKey, offline, now, seenSince, seenTtlMs)
  keepMark(versionKey, feed, versionTtlMs)
  if #left > 0 then
    redis.call('ZADD', leavingKey, unpack(scored(nowMs + graceMs, left)))
    keepAtLeast(connectionsKey, ttlMs + graceMs)
    keepAtLeast(onlineKey, ttlMs + graceMs)
    keepAtLeast(leavingKey, ttlMs + graceMs)
  end
  return 1
end

local reply, at = {}, 7
for i = 1, #KEYS, 6 do
  local last = at + 1 + tonumber(ARGV[at + 1])
  if #KEYS == 6 then
    return { remove(at, last, unpack(KEYS)) }
  end
  reply[#reply + 1] = protectedCall(remove, at, last, unpack(KEYS, i, i + 5))
  at = last + 1
end
return reply

-- Purpose: Adds connections of users of some partitions, or replaces the metadata of existing ones, and
--          announces the changes.
-- KEYS:    for each partition: 1 its connections, by user; 2 its number of online users; 3 metadata
--          by connection; 4 users in their grace period, by its end; 5 when users were last online;
--          6 version of its feed
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 PUBLISH or SPUBLISH; 4 time to
--          live of the version in ms; 5 '1' to announce nothing; 6 '1' to add no connection; 7 maximum
--          number of connections per user, 0 for no limit; then for each partition: its feed's channel,
--          number of the arguments that follow for it, and for each user, given once: the user's head,
--          number of connections, and for each connection: its id, its metadata or ''
-- Returns: for each partition, 1; or -2, with nothing written there, if a user would exceed the
--          maximum; or the error that kept it from being written. -1 instead of all if the fence has
--          passed
-- Cost:    O(connections given * log connections of a partition)
-- Cluster: all keys and the channel carry the tag of the users' partition; more than one partition
--          only outside of a Cluster
-- Flags:   none
-- Uses:    clock, fence, acl-check, change-feed, key-lifetimes, user-entries, protected-call
local ttlMs, publishCommand, versionTtlMs = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local quiet, onlyExisting, maxPerUser = ARGV[5] == '1', ARGV[6] == '1', tonumber(ARGV[7])

-- Adds the connections of one partition, which stand in ARGV up to `last`. Collects their changes first, so that one
-- command of each kind writes them all: a command costs more than its work for one connection.
local function add(at, last, connectionsKey, onlineKey, metadataKey, leavingKey, seenKey, versionKey)
  local feed = openFeed(redis.call('GET', versionKey), ARGV[at], publishCommand)
  -- Of `entries`, every other is the score of the next. Of `changes`, each five are one change.
  local entries, online, returned, heads = {}, {}, {}, {}
  local changes, metadataOf, described, bare = {}, {}, {}, {}
  at = at + 2
  while at <= last do
    local head, lastOfUser = ARGV[at], at + 1 + 2 * tonumber(ARGV[at + 1])
    local user, added = string.sub(head, 3), 0
    local first = redis.call('ZRANGEBYLEX', connectionsKey, '[' .. head, '(' .. head .. '{', 'LIMIT', '0', '2')
    local isLeaving = first[1] == head
    local wasOnline = first[isLeaving and 2 or 1] ~= nil
    local isOnline = wasOnline
    for i = at + 2, lastOfUser, 2 do
      local connection, metadata = ARGV[i], ARGV[i + 1]
      local replaced, kind = metadataOf[connection], nil
      if not replaced and wasOnline and redis.call('ZSCORE', connectionsKey, head .. connection) then
        replaced = redis.call('HGET', metadataKey, connection) or ''
      end
      if not replaced and not onlyExisting then
        kind = 'opened'
        added = added + 1
        -- All scores are equal, so that the entries are ordered by their bytes.
        entries[#entries + 1] = '0'
        entries[#entries + 1] = head .. connection
        if not isOnline then
          isOnline = true
          if isLeaving then
            -- The user is in the grace period: it was not announced as offline, and is not announced as online.
            returned[#returned + 1], heads[#heads + 1] = user, head
          else
            kind = 'online'
            online[#online + 1] = user
          end
        end
      elseif replaced and replaced ~= metadata then
        kind = 'updated'
      end
      if replaced or kind then
        metadataOf[connection] = metadata
      end
      if kind then
        local n = #changes
        changes[n + 1], changes[n + 2], changes[n + 3] = kind, user, connection
        changes[n + 4], changes[n + 5] = metadata, replaced or ''
      end
    end
    if maxPerUser > 0 and added > 0 then
      local before = wasOnline and countConnections(connectionsKey, head) or 0
      if before + added > maxPerUser then
        return -2
      end
    end
    at = lastOfUser + 1
  end

  for i = 1, #changes, 5 do
    local kind, connection = changes[i], changes[i + 2]
    local metadata = metadataOf[connection]
    if metadata ~= '' then
      described[#described + 1] = connection
      described[#described + 1] = metadata
    elseif kind == 'updated' then
      bare[#bare + 1] = connection
    end
  end
  if #entries > 0 then
    redis.call('ZADD', connectionsKey, unpack(entries))
  end
  if #returned > 0 then
    redis.call('ZREM', connectionsKey, unpack(heads))
    redis.call('ZREM', leavingKey, unpack(returned))
  end
  if #described > 0 then
    redis.call('HSET', metadataKey, unpack(described))
  end
  if #bare > 0 then
    redis.call('HDEL', metadataKey, unpack(bare))
  end
  local isFirst = false
  if #online > 0 then
    isFirst = redis.call('INCRBY', onlineKey, #online) == #online
    redis.call('ZREM', seenKey, unpack(online))
  end
  if not quiet then
    for i = 1, #changes, 5 do
      announce(feed, unpack(changes, i, i + 4))
    end
  end
  keepMark(versionKey, feed, versionTtlMs)
  -- Renew the time to live of the number of online users together with that of the connections, and set it if
  -- the number is new.
  if keepAtLeast(connectionsKey, ttlMs) or isFirst then
    keepAtLeast(onlineKey, ttlMs)
  end
  if #described > 0 then
    keepAtLeast(metadataKey, ttlMs)
  end
  return 1
end

local reply, at = {}, 8
for i = 1, #KEYS, 6 do
  local last = at + 1 + tonumber(ARGV[at + 1])
  if #KEYS == 6 then
    return { add(at, last, unpack(KEYS)) }
  end
  reply[#reply + 1] = protectedCall(add, at, last, unpack(KEYS, i, i + 5))
  at = last + 1
end
return reply

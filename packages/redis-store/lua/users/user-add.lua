-- Purpose: Adds connections of users of one partition, and announces them.
-- KEYS:    1 the partition's connections, by user; 2 its number of online users;
--          3 metadata by connection; 4 leaving users; 5 when users were last online;
--          6 version of its feed
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 the feed's channel;
--          4 PUBLISH or SPUBLISH; 5 time to live of the version in ms; 6 1 to announce nothing;
--          7 maximum number of connections per user, 0 for no limit; then for each user: the user's
--          head, number of connections, and for each connection: its id, its metadata or ''
-- Returns: 1; -1 if the fence has passed; -2, with nothing written, if a user would exceed the
--          maximum
-- Cost:    O(connections given * log connections of the partition)
-- Cluster: all keys and the channel carry the tag of the users' partition
-- Flags:   none
-- Uses:    clock, fence, permissions, change-feed, key-lifetimes, user-entries
local connectionsKey, onlineKey, metadataKey, leavingKey, seenKey, versionKey = unpack(KEYS)
local ttlMs, channel, publishCommand = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local versionTtlMs, quiet = ARGV[5], ARGV[6] == '1'

local feed = openFeed(redis.call('GET', versionKey), channel, publishCommand, nowMicros)
local maxPerUser = tonumber(ARGV[7])

if maxPerUser > 0 then
  local at = 8
  while at <= #ARGV do
    local head, last = ARGV[at], at + 1 + 2 * tonumber(ARGV[at + 1])
    local added = 0
    for i = at + 2, last, 2 do
      if not redis.call('ZSCORE', connectionsKey, head .. ARGV[i]) then
        added = added + 1
      end
    end
    if added > 0 and countConnections(connectionsKey, head) + added > maxPerUser then
      return -2
    end
    at = last + 1
  end
end
local at = 8
while at <= #ARGV do
  local head, last = ARGV[at], at + 1 + 2 * tonumber(ARGV[at + 1])
  local user = string.sub(head, 3)
  local first = redis.call('ZRANGEBYLEX', connectionsKey, '[' .. head, '(' .. head .. '{', 'LIMIT', 0, 2)
  local isLeaving = first[1] == head
  local isOnline = first[isLeaving and 2 or 1] ~= nil
  for i = at + 2, last, 2 do
    local connection, metadata = ARGV[i], ARGV[i + 1]
    local kind, replaced
    -- All scores are equal, so that the entries are ordered by their bytes.
    if redis.call('ZADD', connectionsKey, 0, head .. connection) == 1 then
      kind = 'opened'
      if metadata ~= '' then
        redis.call('HSET', metadataKey, connection, metadata)
      end
      if not isOnline then
        isOnline = true
        if isLeaving then
          -- The user was leaving, so it was not announced as offline and is not announced as online again.
          redis.call('ZREM', connectionsKey, head)
          redis.call('ZREM', leavingKey, user)
        else
          kind = 'online'
          redis.call('INCR', onlineKey)
          redis.call('ZREM', seenKey, user)
        end
      end
    else
      replaced = redis.call('HGET', metadataKey, connection) or ''
      if replaced ~= metadata then
        kind = 'updated'
        setMetadata(metadataKey, connection, metadata)
      end
    end
    if kind and not quiet then
      feed.tell(kind, user, connection, metadata, replaced)
    end
  end
  at = last + 1
end
keepMark(versionKey, feed, versionTtlMs)
keepAtLeast(connectionsKey, ttlMs)
keepAtLeast(onlineKey, ttlMs)
keepAtLeast(metadataKey, ttlMs)
return 1

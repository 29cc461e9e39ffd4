-- Purpose: Removes connections of users of one partition, and announces it. A user without
--          connections is then offline, or leaving if there is a grace period.
-- KEYS:    1 the partition's connections, by user; 2 its number of online users;
--          3 metadata by connection; 4 leaving users; 5 when users were last online;
--          6 version of its feed
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 the feed's channel;
--          4 PUBLISH or SPUBLISH; 5 time to live of the version in ms; 6 grace period in ms; 7 how
--          long to remember when users were last online, in ms; then for each user: the user's
--          head, number of connections, connection ids
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(connections given * log connections of the partition)
-- Cluster: all keys and the channel carry the tag of the users' partition
-- Flags:   allow-oom
-- Uses:    clock, fence, permissions, change-feed, key-lifetimes, user-entries
local connectionsKey, onlineKey, metadataKey, leavingKey, seenKey, versionKey = unpack(KEYS)
local ttlMs, channel, publishCommand = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local versionTtlMs, graceMs, seenTtlMs = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])

local feed = openFeed(redis.call('GET', versionKey), channel, publishCommand, nowMicros)
local left, offline = false, 0
local at = 8
while at <= #ARGV do
  local head, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
  local user = string.sub(head, 3)
  for i = at + 2, last do
    local connection = ARGV[i]
    if redis.call('ZREM', connectionsKey, head .. connection) == 1 then
      local kind = 'closed'
      local metadata = redis.call('HGET', metadataKey, connection)
      if metadata then
        redis.call('HDEL', metadataKey, connection)
      end
      if countConnections(connectionsKey, head) == 0 then
        if graceMs == 0 then
          kind = 'offline'
          offline = offline + 1
          takeOffline(onlineKey, seenKey, user, nowMs, seenTtlMs)
        else
          left = true
          redis.call('ZADD', connectionsKey, 0, head)
          redis.call('ZADD', leavingKey, nowMs + graceMs, user)
        end
      end
      feed.tell(kind, user, connection, metadata)
    end
  end
  at = last + 1
end
keepMark(versionKey, feed, versionTtlMs)
keepSeen(seenKey, offline, nowMs, seenTtlMs)
if left then
  keepAtLeast(connectionsKey, ttlMs + graceMs)
  keepAtLeast(onlineKey, ttlMs + graceMs)
  keepAtLeast(leavingKey, ttlMs + graceMs)
end
return 1

-- Purpose: Takes users of one partition offline if their grace period has ended, and announces this.
-- KEYS:    1 the partition's connections, by user; 2 its number of online users;
--          3 users in their grace period, by its end; 4 when users were last online; 5 version of its feed
-- ARGV:    1 maximum number of users to take offline; 2 the feed's channel; 3 PUBLISH or SPUBLISH;
--          4 time to live of the version in ms; 5 how long to remember when users were last online,
--          in ms
-- Returns: ms until the next grace period ends, 0 if more have ended, -1 if no user is in a grace period
-- Cost:    O(users taken offline * log connections of the partition)
-- Cluster: all keys and the channel carry the tag of the users' partition
-- Flags:   allow-oom
-- Uses:    clock, acl-check, change-feed, key-lifetimes, user-entries
local connectionsKey, onlineKey, leavingKey, seenKey, versionKey = unpack(KEYS)
local most, channel, publishCommand = ARGV[1], ARGV[2], ARGV[3]
local versionTtlMs, seenTtlMs = ARGV[4], ARGV[5]

local due = redis.call('ZRANGEBYSCORE', leavingKey, '-inf', nowMs, 'LIMIT', 0, most)
if #due > 0 then
  local feed = openFeed(redis.call('GET', versionKey), channel, publishCommand)
  local heads, offline = {}, {}
  for i, user in ipairs(due) do
    heads[i] = headOf(user)
  end
  redis.call('ZREM', leavingKey, unpack(due))
  redis.call('ZREM', connectionsKey, unpack(heads))
  for i, user in ipairs(due) do
    if countConnections(connectionsKey, heads[i]) == 0 then
      offline[#offline + 1] = user
      announce(feed, 'offline', user)
    end
  end
  takeOffline(onlineKey, seenKey, offline, nowMs, nowMs - seenTtlMs, seenTtlMs)
  keepMark(versionKey, feed, versionTtlMs)
end
local first = redis.call('ZRANGE', leavingKey, 0, 0, 'WITHSCORES')
return first[2] and math.max(0, tonumber(first[2]) - nowMs) or -1

-- Purpose: Replaces the metadata of connections of one partition, and announces the changes.
-- KEYS:    1 the partition's connections, by user; 2 metadata by connection; 3 version of its feed
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live in ms; 3 the feed's channel;
--          4 PUBLISH or SPUBLISH; 5 time to live of the version in ms; then for each connection:
--          its user's head, its id, its metadata or ''
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(connections given * log connections of the partition)
-- Cluster: all keys and the channel carry the tag of the users' partition
-- Flags:   none
-- Uses:    clock, fence, acl-check, change-feed, key-lifetimes, user-entries
local connectionsKey, metadataKey, versionKey = KEYS[1], KEYS[2], KEYS[3]
local ttlMs, channel, publishCommand = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local versionTtlMs = ARGV[5]

local feed = openFeed(redis.call('GET', versionKey), channel, publishCommand, nowMicros)
for i = 6, #ARGV, 3 do
  local head, connection, metadata = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('ZSCORE', connectionsKey, head .. connection) then
    local replaced = redis.call('HGET', metadataKey, connection) or ''
    if replaced ~= metadata then
      setMetadata(metadataKey, connection, metadata)
      feed.announce('updated', string.sub(head, 3), connection, metadata, replaced)
    end
  end
end
keepMark(versionKey, feed, versionTtlMs)
keepAtLeast(metadataKey, ttlMs)
return 1

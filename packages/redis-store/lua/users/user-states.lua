-- Purpose: Reads the states of users of one partition at one moment.
-- KEYS:    1 the partition's connections, by user; 2 metadata by connection;
--          3 when users were last online; 4 version of its feed
-- ARGV:    1 how long to remember when users were last online, in ms; then the users' heads
-- Returns: {version, state, last online or '', state, last online or '', ...}, each state {the
--          user's head, 1 if in the grace period, connection id, metadata or '', ...}
-- Cost:    O(users * log connections of the partition + their connections)
-- Cluster: all keys carry the tag of the users' partition
-- Uses:    clock, user-states
local connectionsKey, metadataKey, seenKey, versionKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local seenTtlMs = tonumber(ARGV[1])

local reply = { redis.call('GET', versionKey) or '0' }
for i = 2, #ARGV do
  local head = ARGV[i]
  local state = stateOf(connectionsKey, metadataKey, head)
  reply[#reply + 1] = state
  local seen = #state == 2 and state[2] == 0 and redis.call('ZSCORE', seenKey, string.sub(head, 3))
  reply[#reply + 1] = seen and tonumber(seen) > nowMs - seenTtlMs and seen or ''
end
return reply

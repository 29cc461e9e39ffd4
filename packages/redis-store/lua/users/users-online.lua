-- Purpose: Reads a page of the online users of one partition.
-- KEYS:    1 the partition's connections, by user; 2 metadata by connection; 3 version of its feed
-- ARGV:    1 the head of the user after whom to continue, or ''; 2 maximum number of users;
--          3 number of connections after which to stop
-- Returns: {version, 1 if there are no more, state, ...}, each state {the user's head, 1 if
--          in the grace period, connection id, metadata or '', ...}
-- Cost:    O(users returned * log connections of the partition + their connections)
-- Cluster: all keys carry the tag of the users' partition
-- Uses:    user-states
local connectionsKey, metadataKey, versionKey = KEYS[1], KEYS[2], KEYS[3]
local head, mostUsers, mostConnections = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local reply = { redis.call('GET', versionKey) or '0', 0 }
local connections = 0
while true do
  local from = head == '' and '-' or '(' .. head .. '{'
  local entry = redis.call('ZRANGEBYLEX', connectionsKey, from, '+', 'LIMIT', 0, 1)[1]
  if not entry then
    reply[2] = 1
    return reply
  end
  if #reply - 2 == mostUsers or connections >= mostConnections then
    return reply
  end
  head = string.sub(entry, 1, 2 + tonumber(string.sub(entry, 1, 2), 16))
  local state = stateOf(connectionsKey, metadataKey, head)
  connections = connections + (#state - 2) / 2
  reply[#reply + 1] = state
end

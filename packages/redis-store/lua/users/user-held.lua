-- Purpose: Goes through a part of one partition's connections and reads those of one holder.
-- KEYS:    1 the partition's connections, by user; 2 metadata by connection
-- ARGV:    1 the holder, as `<server id>.<incarnation>`; 2 the entry after which to continue, or
--          ''; 3 maximum number of entries to go through
-- Returns: {the last entry that was gone through, or '' at the end, entry, metadata or '', ...}
-- Cost:    O(log connections of the partition + entries gone through)
-- Cluster: all keys carry the tag of the users' partition
local connectionsKey, metadataKey = KEYS[1], KEYS[2]
local holder, after, most = ARGV[1], ARGV[2], tonumber(ARGV[3])

local entries = redis.call('ZRANGEBYLEX', connectionsKey, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most)
local reply = { #entries == most and entries[most] or '' }
for _, entry in ipairs(entries) do
  local idAt = 3 + tonumber(string.sub(entry, 1, 2), 16)
  if string.sub(entry, idAt, idAt + #holder - 1) == holder then
    reply[#reply + 1] = entry
    reply[#reply + 1] = redis.call('HGET', metadataKey, string.sub(entry, idAt)) or ''
  end
end
return reply

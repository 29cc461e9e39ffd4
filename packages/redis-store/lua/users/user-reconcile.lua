-- Purpose: Goes through a part of one partition's connections: lists their holders, counts their
--          users, and adds users in their grace period to key 4 if they are missing from it. At the
--          end, corrects the number of online users if nothing has changed since the beginning.
-- KEYS:    1 the partition's connections, by user; 2 its number of online users;
--          3 metadata by connection; 4 users in their grace period, by its end; 5 version of its feed
-- ARGV:    1 the entry after which to continue, or ''; 2 number of users counted in the earlier
--          parts; 3 the mark that the first part returned, or ''; 4 maximum number of entries to go
--          through; 5 time to live in ms
-- Returns: {0 if there are more, 1 at the end, 2 at the end if something has changed since the
--          beginning, mark, the last entry, users counted, number of corrected values, holder,
--          ...}, each holder as `<server id>.<incarnation>`
-- Cost:    O(log connections of the partition + entries gone through)
-- Cluster: all keys carry the tag of the users' partition
-- Uses:    clock, key-lifetimes
local connectionsKey, onlineKey, metadataKey, leavingKey, versionKey = unpack(KEYS)
local after, counted, firstMark, most, ttlMs = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

-- Quiet additions change no version but increase the number of online users, so the mark contains both.
local online = redis.call('GET', onlineKey)
local mark = (redis.call('GET', versionKey) or '') .. ' ' .. (online or '')
local from = after == '' and '-' or '(' .. after
local entries = redis.call('ZRANGEBYLEX', connectionsKey, from, '+', 'LIMIT', 0, most)
local reply = { 0, mark, entries[#entries] or '', counted, 0 }
local fixed, seen = 0, {}
local length = after == '' and 0 or 2 + tonumber(string.sub(after, 1, 2), 16)
local head = string.sub(after, 1, length)
for _, entry in ipairs(entries) do
  if length == 0 or string.sub(entry, 1, length) ~= head then
    length = 2 + tonumber(string.sub(entry, 1, 2), 16)
    head = string.sub(entry, 1, length)
    counted = counted + 1
  end
  if #entry == length then
    local user = string.sub(head, 3)
    if not redis.call('ZSCORE', leavingKey, user) then
      redis.call('ZADD', leavingKey, nowMs, user)
      keepAtLeast(leavingKey, ttlMs)
      fixed = fixed + 1
    end
  else
    local dot = string.find(entry, '.', length + 1, true)
    local holder = dot and string.sub(entry, length + 1, dot + 4)
    if holder and not seen[holder] then
      seen[holder] = true
      reply[#reply + 1] = holder
    end
  end
end
if #entries < most then
  reply[1] = (firstMark == '' or firstMark == mark) and 1 or 2
end
if reply[1] == 1 and counted == 0 then
  fixed = fixed + redis.call('UNLINK', onlineKey, metadataKey)
elseif reply[1] == 1 and tonumber(online or 0) ~= counted then
  redis.call('SET', onlineKey, counted, 'KEEPTTL')
  keepAtLeast(onlineKey, ttlMs)
  fixed = fixed + 1
end
reply[4], reply[5] = counted, fixed
return reply

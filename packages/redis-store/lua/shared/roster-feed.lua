-- Returns the feed of a room's roster, or false if the room currently announces nothing.
local function openRoster(rosterKey, publishCommand)
  local mark = redis.call('GET', rosterKey)
  return mark and openFeed(mark, rosterKey, publishCommand)
end

-- A member's entry is its connection id (which contains no '|'), a '|', and its user.
local function announceMember(roster, kind, entry, metadata, reason)
  local bar = string.find(entry, '|', 1, true)
  announce(roster, kind, string.sub(entry, bar + 1), string.sub(entry, 1, bar - 1), metadata, nil, reason)
end

local function keepRosterMark(rosterKey, roster)
  if roster and roster.announced > 0 then
    redis.call('SET', rosterKey, roster.mark, 'KEEPTTL')
  end
end

-- Publishes the changes of one feed. Each change has its own version and names the previous one. Versions
-- come from Redis's clock, so that they also grow if the mark was lost. `mark` is the version of the latest
-- change, or false if none is known. If the client has no permission to publish, the script fails here,
-- before anything is written. Without this check it would store a change without announcing it, and only a
-- later read would find the change.
local clockVersion, atText

local function openFeed(mark, channel, publishCommand)
  if not redis.acl_check_cmd(publishCommand, channel, '') then
    error(noPermission(publishCommand))
  end
  -- Formatting a number costs as much as a command, so it is done once per script.
  clockVersion = clockVersion or string.format('%.0f', nowMicros)
  atText = atText or string.format('%.0f', nowMs)
  -- The mark is published as a number of JSON, so only what is one counts.
  local isVersion = mark and string.find(mark, '^[1-9]%d*$')
  return {
    channel = channel,
    publishCommand = publishCommand,
    version = isVersion and tonumber(mark) or 0,
    mark = isVersion and mark or '0',
    announced = 0,
  }
end

-- Metadata is JSON text that is inserted unchanged; '', false and nil mean that there is none.
local function announce(feed, kind, user, connection, metadata, replaced, reason)
  local version = clockVersion
  feed.version = math.max(feed.version + 1, nowMicros)
  if feed.version > nowMicros then
    version = string.format('%.0f', feed.version)
  end
  -- One expression, so that Lua builds one string.
  local text = '{"kind":"' .. kind .. '","user":' .. cjson.encode(user)
    .. (connection and ',"connection":"' .. connection .. '"' or '')
    .. ',"version":' .. version .. ',"previous":' .. feed.mark .. ',"at":' .. atText
    .. (metadata and metadata ~= '' and ',"metadata":' .. metadata or '')
    .. (replaced and replaced ~= '' and ',"replaced":' .. replaced or '')
    .. (reason and ',"reason":"' .. reason .. '"}' or '}')
  redis.call(feed.publishCommand, feed.channel, text)
  feed.mark = version
  feed.announced = feed.announced + 1
end

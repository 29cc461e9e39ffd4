-- Publishes the changes of one feed. Each change has its own version and names the previous one. Versions
-- come from Redis's clock, so that they also grow if the mark was lost. `mark` is the version of the latest
-- change, or false if none is known. If the client has no permission to publish, the script fails here,
-- before anything is written. Without this check it would store a change without announcing it, and only a
-- later read would find the change.
local function openFeed(mark, channel, publishCommand, nowMicros)
  local missing = missingPermission({ { publishCommand, channel, '' } })
  if missing then
    error(missing)
  end
  local feed = { version = tonumber(mark) or 0, announced = 0 }
  local at = string.format('%.0f', math.floor(nowMicros / 1000))
  local previous = string.format('%.0f', feed.version)
  -- Metadata is JSON text that is inserted unchanged; '' and false mean that there is none.
  function feed.announce(kind, user, connection, metadata, replaced, reason)
    feed.version = math.max(feed.version + 1, nowMicros)
    feed.announced = feed.announced + 1
    local version = string.format('%.0f', feed.version)
    -- One expression, so that Lua builds one string.
    local text = '{"kind":"' .. kind .. '","user":' .. cjson.encode(user)
      .. (connection and ',"connection":"' .. connection .. '"' or '')
      .. ',"version":' .. version .. ',"previous":' .. previous .. ',"at":' .. at
      .. (metadata and metadata ~= '' and ',"metadata":' .. metadata or '')
      .. (replaced and replaced ~= '' and ',"replaced":' .. replaced or '')
      .. (reason and ',"reason":"' .. reason .. '"}' or '}')
    redis.call(publishCommand, channel, text)
    previous = version
  end
  function feed.mark()
    return previous
  end
  return feed
end

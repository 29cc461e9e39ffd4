-- Publishes the changes of one feed. Each change has its own version and names the previous one. Versions
-- come from Redis's clock, so that they also grow if the mark was lost. `mark` is the version of the latest
-- change, or false if none is known. If the client has no permission to publish, the script fails here,
-- before anything is written. Otherwise it would store a change without announcing it, and only a later read
-- would find the change.
local function openFeed(mark, channel, publishCommand, nowMicros)
  local missing = missingRight({ { publishCommand, channel, '' } })
  if missing then
    error(missing)
  end
  local feed = { version = tonumber(mark) or 0, told = 0 }
  local at = string.format('%.0f', math.floor(nowMicros / 1000))
  -- Metadata is JSON text that is inserted unchanged; '' and false mean that there is none.
  function feed.tell(kind, user, connection, metadata, replaced, reason)
    local previous = feed.version
    feed.version = math.max(previous + 1, nowMicros)
    feed.told = feed.told + 1
    local text = string.format('{"kind":"%s","user":', kind) .. cjson.encode(user)
    if connection then
      text = text .. ',"connection":"' .. connection .. '"'
    end
    text = text .. string.format(',"version":%.0f,"previous":%.0f,"at":', feed.version, previous) .. at
    if metadata and metadata ~= '' then
      text = text .. ',"metadata":' .. metadata
    end
    if replaced and replaced ~= '' then
      text = text .. ',"replaced":' .. replaced
    end
    if reason then
      text = text .. ',"reason":"' .. reason .. '"'
    end
    redis.call(publishCommand, channel, text .. '}')
  end
  function feed.mark()
    return string.format('%.0f', feed.version)
  end
  return feed
end

-- Returns a user's state: {head, 1 if in the grace period, connection id, metadata or '', ...}.
local function stateOf(connectionsKey, metadataKey, head)
  local entries = redis.call('ZRANGEBYLEX', connectionsKey, '[' .. head, '(' .. head .. '{')
  local state = { head, 0 }
  local ids = {}
  for _, entry in ipairs(entries) do
    if entry == head then
      state[2] = 1
    else
      ids[#ids + 1] = string.sub(entry, #head + 1)
    end
  end
  -- Read the metadata in chunks of 1,000, because the number of arguments of a call is limited.
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    local metadata = redis.call('HMGET', metadataKey, unpack(ids, first, last))
    for i = first, last do
      state[#state + 1] = ids[i]
      state[#state + 1] = metadata[i - first + 1] or ''
    end
  end
  return state
end

-- Purpose: Reads all servers with their records, and who has gone lately.
-- KEYS:    1 leases; 2 departures; then the records of the servers that the caller knows
-- ARGV:    the ids of those servers, in the order of KEYS
-- Returns: {ms that departures are known for, {server, ...}, {departed holder, ms ago, ...}, 1 where
--          something else lies in the place of key 2}, each server {holder, 1 where its lease
--          lives, 1 where its record was read, field, ...}; the fields are none where the record
--          is of another incarnation or gone
-- Cost:    O(servers + departures), of which there are 1,000 at most
-- Cluster: all keys carry the tag {servers}
-- Uses:    clock, holds
local leasesKey, departuresKey = KEYS[1], KEYS[2]

local keyOf = {}
for i, serverId in ipairs(ARGV) do
  keyOf[serverId] = KEYS[i + 2]
end
local leases = redis.call('ZRANGE', leasesKey, 0, -1, 'WITHSCORES')
local servers = {}
for i = 1, #leases, 2 do
  local serverId, incarnation = string.match(leases[i], '^([^.]*)%.(.*)$')
  -- Something else among the leases is no server.
  if serverId then
    local key = keyOf[serverId]
    local server = { leases[i], tonumber(leases[i + 1]) > nowMs and 1 or 0, key and 1 or 0 }
    -- Something else in the record's place is no record.
    local record = key and redis.pcall('HMGET', key, 'incarnation', 'token', 'host', 'port', 'shelfBits',
      'startedAt', 'lastHeartbeat', 'expiresAt', 'connections', 'rooms') or {}
    if record[1] == incarnation then
      for n = 2, #record do
        server[n + 2] = record[n] or ''
      end
    end
    servers[#servers + 1] = server
  end
end
local isReadable = holdsSortedSet(departuresKey)
local departures = isReadable and redis.call('ZRANGE', departuresKey, 0, -1, 'WITHSCORES') or {}
local knownForMs, departed = 0, {}
for i = 1, #departures, 2 do
  local agoMs = nowMs - tonumber(departures[i + 1])
  if departures[i] == '' then
    knownForMs = agoMs
  else
    departed[#departed + 1] = departures[i]
    departed[#departed + 1] = agoMs
  end
end
return { knownForMs, servers, departed, isReadable and 0 or 1 }

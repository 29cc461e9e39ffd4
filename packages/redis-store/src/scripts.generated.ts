// Generated from lua/ by tooling/lua-codegen. Change the scripts, then run the codegen task.

/** The scripts by name: what Redis runs, and the digest that it knows them by. */
export const SCRIPTS = {
  "connection-clear": {
    sha1: "7f32489f6cceb9b991ad357b904ebbc062af52c2",
    lua: "local shelfKey = KEYS[1]\nlocal fenceMs = tonumber(ARGV[1])\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nredis.call('UNLINK', shelfKey)\nreturn 1\n",
  },
  "connection-put": {
    sha1: "9fbc4e28ded7ca4e91f6de4cff7200ff7cf53502",
    lua: "local fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nfor i = 3, #ARGV, 3 do\n  redis.call('HSET', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2])\nend\nfor _, shelfKey in ipairs(KEYS) do\n  redis.call('PEXPIRE', shelfKey, ttlMs)\nend\nreturn 1\n",
  },
  "connection-remove": {
    sha1: "b3fb35a29d8839c8b1b3158c11e5b2ca5edcd5df",
    lua: "local fenceMs = tonumber(ARGV[1])\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nfor i = 2, #ARGV, 2 do\n  redis.call('HDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])\nend\nreturn 1\n",
  },
  "connection-renew": {
    sha1: "b8f3e3efeb67617d0b25936cbc8f238ea03555d2",
    lua: "local fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nfor _, shelfKey in ipairs(KEYS) do\n  redis.call('PEXPIRE', shelfKey, ttlMs)\nend\nreturn 1\n",
  },
  "layout-ensure": {
    sha1: "64bc9106b3476bffee42792779c9f2eed4e38322",
    lua: "local layoutKey = KEYS[1]\nlocal version, partitions = ARGV[1], ARGV[2]\nif redis.call('HSETNX', layoutKey, 'version', version) == 1 then\n  redis.call('HSET', layoutKey, 'partitions', partitions)\nend\nlocal stored = redis.call('HMGET', layoutKey, 'version', 'partitions')\nreturn { tonumber(stored[1]) or -1, tonumber(stored[2]) or -1 }\n",
  },
  "room-count": {
    sha1: "ed8d6f8e4b0117b6f282e5fc9dabd49e8d1e41ff",
    lua: "local roomKey = KEYS[1]\nlocal count = 0\nif redis.call('EXISTS', roomKey) == 1 then\n  for _, holder in ipairs(ARGV) do\n    count = count + redis.call('ZLEXCOUNT', roomKey, '[' .. holder, '(' .. holder .. '{')\n  end\nend\nreturn count\n",
  },
  "room-evict": {
    sha1: "179093d5bce0b66c7e896f5fc8821d07391701c0",
    lua: "local indexKey, roomKey = KEYS[1], KEYS[2]\nlocal fenceMs, room, holder, most = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return { -1 }\nend\nlocal reply = redis.call('ZRANGEBYLEX', roomKey, '[' .. holder, '(' .. holder .. '{', 'LIMIT', 0, most)\nfor _, member in ipairs(reply) do\n  redis.call('ZREM', roomKey, member)\nend\nif redis.call('EXISTS', roomKey) == 0 then\n  redis.call('SREM', indexKey, room)\nend\ntable.insert(reply, 1, 1)\nreturn reply\n",
  },
  "room-join": {
    sha1: "c9b3192daf3dc353b8d255ee7b310705198e588b",
    lua: "local indexKey, roomKey = KEYS[1], KEYS[2]\nlocal fenceMs, ttlMs, room = tonumber(ARGV[1]), ARGV[2], ARGV[3]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nfor i = 4, #ARGV do\n  redis.call('ZADD', roomKey, 0, ARGV[i])\nend\nredis.call('SADD', indexKey, room)\nredis.call('PEXPIRE', roomKey, ttlMs)\nredis.call('PEXPIRE', indexKey, ttlMs)\nreturn 1\n",
  },
  "room-leave": {
    sha1: "909da906c36aa4e5cbba2067b556f60a9674736b",
    lua: "local indexKey, roomKey = KEYS[1], KEYS[2]\nlocal fenceMs, room = tonumber(ARGV[1]), ARGV[2]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nfor i = 3, #ARGV do\n  redis.call('ZREM', roomKey, ARGV[i])\nend\nif redis.call('EXISTS', roomKey) == 0 then\n  redis.call('SREM', indexKey, room)\nend\nreturn 1\n",
  },
  "room-renew": {
    sha1: "9da996bda868666d3542dee440e3a5cf695f6100",
    lua: "local indexKey = KEYS[1]\nlocal fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nfor i = 2, #KEYS do\n  if redis.call('PEXPIRE', KEYS[i], ttlMs) == 0 then\n    redis.call('SREM', indexKey, ARGV[i + 1])\n  end\nend\nredis.call('PEXPIRE', indexKey, ttlMs)\nreturn 1\n",
  },
  "server-acquire": {
    sha1: "ed73c1e3c3dbf7b15a00b455f1a943c46f2b086b",
    lua: "local leasesKey, serverKey = KEYS[1], KEYS[2]\nlocal serverId, incarnation, host, port, shelfBits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]\nlocal ttlMs, keepMs = tonumber(ARGV[6]), tonumber(ARGV[7])\nlocal holder = serverId .. '.' .. incarnation\nlocal time = redis.call('TIME')\nlocal nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])\nlocal nowMs = math.floor(nowMicros / 1000)\nlocal held = redis.call('HMGET', serverKey, 'incarnation', 'token', 'startedAt', 'claimExpiresAt')\nif held[1] then\n  local expired = tonumber(redis.call('ZSCORE', leasesKey, serverId .. '.' .. held[1]) or 0) <= nowMs\n  local claimed = expired and (tonumber(held[4]) or 0) > nowMs\n  if held[1] ~= incarnation or claimed then\n    return { 0, expired and 1 or 0 }\n  end\nend\nlocal token = math.max(nowMicros, (tonumber(held[2]) or 0) + 1)\nlocal expiresAtMs = nowMs + ttlMs\nredis.call('ZADD', leasesKey, expiresAtMs, holder)\nredis.call('HDEL', serverKey, 'claimant', 'claimExpiresAt')\nredis.call('HSET', serverKey,\n  'incarnation', incarnation, 'token', token, 'host', host, 'port', port, 'shelfBits', shelfBits,\n  'startedAt', held[3] or nowMs, 'lastHeartbeat', nowMs, 'expiresAt', expiresAtMs)\nredis.call('HSETNX', serverKey, 'connections', 0)\nredis.call('HSETNX', serverKey, 'rooms', 0)\nredis.call('PEXPIRE', serverKey, keepMs)\nreturn { 1, token, expiresAtMs }\n",
  },
  "server-bury": {
    sha1: "9be67915f51fbfd0f4f15f3146203a50bdb4af58",
    lua: "local leasesKey, serverKey = KEYS[1], KEYS[2]\nlocal serverId, incarnation, claimExpiresAtMs = ARGV[1], ARGV[2], tonumber(ARGV[3])\nlocal holder = serverId .. '.' .. incarnation\nlocal time = redis.call('TIME')\nlocal nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nlocal leaseMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)\nif claimExpiresAtMs <= nowMs or leaseMs > nowMs or redis.call('HGET', serverKey, 'incarnation') ~= incarnation then\n  return 0\nend\nredis.call('ZREM', leasesKey, holder)\nredis.call('DEL', serverKey)\nreturn 1\n",
  },
  "server-claim": {
    sha1: "a3e51469e2b8518c3fce4da099e2ec840f03c375",
    lua: "local leasesKey, serverKey = KEYS[1], KEYS[2]\nlocal serverId, claimant, claimMs = ARGV[1], ARGV[2], tonumber(ARGV[3])\nlocal time = redis.call('TIME')\nlocal nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nlocal record = redis.call('HMGET', serverKey, 'incarnation', 'shelfBits', 'claimant', 'claimExpiresAt')\nif not record[1] then\n  return {}\nend\nlocal leaseMs = tonumber(redis.call('ZSCORE', leasesKey, serverId .. '.' .. record[1]) or 0)\nif leaseMs > nowMs then\n  return {}\nend\nlocal claimedUntilMs = tonumber(record[4]) or 0\nif claimedUntilMs > nowMs and record[3] ~= claimant then\n  return {}\nend\nlocal expiresAtMs = math.max(nowMs + claimMs, claimedUntilMs)\nredis.call('HSET', serverKey, 'claimant', claimant, 'claimExpiresAt', expiresAtMs)\nreturn { record[1], tonumber(record[2]), expiresAtMs }\n",
  },
  "server-release": {
    sha1: "af17c2cd4c482706e51356ca4c8d5d618b434b2e",
    lua: "local leasesKey, serverKey = KEYS[1], KEYS[2]\nlocal holder, token = ARGV[1], tonumber(ARGV[2])\nlocal time = redis.call('TIME')\nlocal nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nlocal heldToken = tonumber(redis.call('HGET', serverKey, 'token') or -1)\nlocal heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)\nif heldToken ~= token or heldUntilMs <= nowMs then\n  return 0\nend\nredis.call('ZREM', leasesKey, holder)\nredis.call('DEL', serverKey)\nreturn 1\n",
  },
  "server-renew": {
    sha1: "676b5281eae59ae78812a5c484bc128e2f2b4a2c",
    lua: "local leasesKey, serverKey = KEYS[1], KEYS[2]\nlocal holder, token, ttlMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\nlocal connections, rooms, keepMs, most = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]\nlocal time = redis.call('TIME')\nlocal nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nlocal heldToken = tonumber(redis.call('HGET', serverKey, 'token') or -1)\nlocal heldUntilMs = tonumber(redis.call('ZSCORE', leasesKey, holder) or 0)\nif heldToken ~= token or heldUntilMs <= nowMs then\n  return {}\nend\nlocal expiresAtMs = nowMs + ttlMs\nredis.call('ZADD', leasesKey, expiresAtMs, holder)\nredis.call('HSET', serverKey,\n  'lastHeartbeat', nowMs, 'expiresAt', expiresAtMs, 'connections', connections, 'rooms', rooms)\nredis.call('PEXPIRE', serverKey, keepMs)\nredis.call('ZREMRANGEBYSCORE', leasesKey, '-inf', string.format('(%.0f', nowMs - keepMs))\nlocal reply = redis.call('ZRANGEBYSCORE', leasesKey, '-inf', nowMs, 'LIMIT', 0, most)\ntable.insert(reply, 1, expiresAtMs)\nreturn reply\n",
  },
  "servers-living": {
    sha1: "b58dcdc72e637be8fc2b06fae6ed9adbb1700b15",
    lua: "local leasesKey = KEYS[1]\nlocal time = redis.call('TIME')\nlocal nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nif #ARGV == 0 then\n  return redis.call('ZRANGEBYSCORE', leasesKey, '(' .. string.format('%.0f', nowMs), '+inf')\nend\nlocal living = {}\nfor _, holder in ipairs(ARGV) do\n  if tonumber(redis.call('ZSCORE', leasesKey, holder) or 0) > nowMs then\n    living[#living + 1] = holder\n  end\nend\nreturn living\n",
  },
  "user-add": {
    sha1: "2896dda83da0aab2c3e67bc890445d921ed113a2",
    lua: "local connectionsKey, onlineKey = KEYS[1], KEYS[2]\nlocal fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nlocal at = 3\nwhile at <= #ARGV do\n  local head, count = ARGV[at], tonumber(ARGV[at + 1])\n  local before = redis.call('ZLEXCOUNT', connectionsKey, '[' .. head, '(' .. head .. '{')\n  for i = at + 2, at + 1 + count do\n    redis.call('ZADD', connectionsKey, 0, head .. ARGV[i])\n  end\n  if before == 0 and count > 0 then\n    redis.call('INCR', onlineKey)\n  end\n  at = at + 2 + count\nend\nredis.call('PEXPIRE', connectionsKey, ttlMs)\nredis.call('PEXPIRE', onlineKey, ttlMs)\nreturn 1\n",
  },
  "user-remove": {
    sha1: "b497ab62e74294aeef1d09e55f84a51ce4f70125",
    lua: "local connectionsKey, onlineKey = KEYS[1], KEYS[2]\nlocal fenceMs = tonumber(ARGV[1])\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nlocal at = 2\nwhile at <= #ARGV do\n  local head, count = ARGV[at], tonumber(ARGV[at + 1])\n  local removed = 0\n  for i = at + 2, at + 1 + count do\n    removed = removed + redis.call('ZREM', connectionsKey, head .. ARGV[i])\n  end\n  if removed > 0 and redis.call('ZLEXCOUNT', connectionsKey, '[' .. head, '(' .. head .. '{') == 0 then\n    if redis.call('DECR', onlineKey) <= 0 then\n      redis.call('DEL', onlineKey)\n    end\n  end\n  at = at + 2 + count\nend\nreturn 1\n",
  },
  "user-renew": {
    sha1: "4974d2fd0c23ee63be31ad0495103e8f069dd77f",
    lua: "local connectionsKey, onlineKey = KEYS[1], KEYS[2]\nlocal fenceMs, ttlMs = tonumber(ARGV[1]), ARGV[2]\nlocal time = redis.call('TIME')\nif tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) >= fenceMs then\n  return -1\nend\nredis.call('PEXPIRE', connectionsKey, ttlMs)\nredis.call('PEXPIRE', onlineKey, ttlMs)\nreturn 1\n",
  },
} as const;

/** The name of a script. */
export type ScriptName = keyof typeof SCRIPTS;

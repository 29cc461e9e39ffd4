-- Purpose: Counts online users, connections, rooms or records of partitions.
-- KEYS:    one per partition: its number of online users, its index of rooms, or its rooms by
--          expiry of their record; for connections two per partition: its connections, its users in
--          their grace period
-- ARGV:    1 users, connections, rooms or records
-- Returns: the sum
-- Cost:    O(keys * log rooms of a partition)
-- Cluster: the keys of one partition; without a Cluster, the keys of many partitions
-- Uses:    clock
local kind = ARGV[1]
local now = string.format('(%.0f', nowMs)
local sum = 0
for i, key in ipairs(KEYS) do
  if kind == 'users' then
    sum = sum + (tonumber(redis.call('GET', key)) or 0)
  elseif kind == 'rooms' then
    sum = sum + redis.call('SCARD', key)
  elseif kind == 'records' then
    sum = sum + redis.call('ZCOUNT', key, now, '+inf')
  elseif i % 2 == 1 then
    sum = sum + redis.call('ZCARD', key)
  else
    -- A user in the grace period has one entry among the connections that is no connection.
    sum = sum - redis.call('ZCARD', key)
  end
end
return sum

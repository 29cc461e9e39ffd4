-- Purpose: Writes connection records, and the rooms of these connections, to their owner's record partitions.
-- KEYS:    for each record partition that is written to: its records, its rooms
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live of a record partition in ms; 3 '1' to keep the
--          rooms that are already stored; then for each record: number of its record partition in KEYS, from 1,
--          field, value, number of rooms, their heads
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(records + rooms given * log rooms of a record partition); if ARGV 3 is not 1, also O(rooms
--          replaced)
-- Cluster: all keys carry the tag of the owning server
-- Flags:   none
-- Uses:    clock, fence, key-lifetimes, joined-rooms
local ttlMs, keepsRooms = tonumber(ARGV[2]), ARGV[3] == '1'

local i, order, isNew, hasRooms = 4, nowMicros, {}, {}
while i <= #ARGV do
  local partition, field, count = tonumber(ARGV[i]), ARGV[i + 1], tonumber(ARGV[i + 3])
  local joinedKey = KEYS[2 * partition]
  isNew[partition] = redis.call('HSET', KEYS[2 * partition - 1], field, ARGV[i + 2]) == 1 or isNew[partition]
  hasRooms[partition] = hasRooms[partition] or count > 0 or not keepsRooms
  if not keepsRooms then
    dropJoinedRooms(joinedKey, field)
  end
  for at = i + 4, i + 3 + count do
    addJoinedRoom(joinedKey, ARGV[at], order)
    order = order + 1
  end
  i = i + 4 + count
end
for partition = 1, #KEYS / 2 do
  -- If the record partition already held all of these records, its key has a time to live, which the owner renews.
  if isNew[partition] or not keepsRooms then
    keepAtLeast(KEYS[2 * partition - 1], ttlMs)
  end
  if hasRooms[partition] then
    keepAtLeast(KEYS[2 * partition], ttlMs)
  end
end
return 1

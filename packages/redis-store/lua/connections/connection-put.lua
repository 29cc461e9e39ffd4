-- Purpose: Writes connection records, and the rooms of these connections, to their owner's shelves.
-- KEYS:    for each shelf that is written to: its records, its rooms
-- ARGV:    1 the fence, in ms of Redis's clock; 2 time to live of a shelf in ms; 3 1 to keep the
--          rooms that are already stored; then for each record: number of its shelf in KEYS, from 1,
--          field, value, number of rooms, the rooms
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(records + rooms given * log rooms of a shelf); if ARGV 3 is not 1, also O(rooms
--          replaced)
-- Cluster: all keys carry the tag of the owning server
-- Flags:   none
-- Uses:    clock, fence, key-lifetimes, joined-rooms
local ttlMs, keepsRooms = tonumber(ARGV[2]), ARGV[3] == '1'

local i, order, isNew, isPlaced = 4, nowMicros, {}, {}
while i <= #ARGV do
  local shelf, field, count = tonumber(ARGV[i]), ARGV[i + 1], tonumber(ARGV[i + 3])
  local placesKey = KEYS[2 * shelf]
  isNew[shelf] = redis.call('HSET', KEYS[2 * shelf - 1], field, ARGV[i + 2]) == 1 or isNew[shelf]
  isPlaced[shelf] = isPlaced[shelf] or count > 0 or not keepsRooms
  if not keepsRooms then
    dropPlaces(placesKey, field)
  end
  for at = i + 4, i + 3 + count do
    addPlace(placesKey, field, ARGV[at], order)
    order = order + 1
  end
  i = i + 4 + count
end
for shelf = 1, #KEYS / 2 do
  -- A shelf that held all records before has its time to live, which its owner renews.
  if isNew[shelf] or not keepsRooms then
    keepAtLeast(KEYS[2 * shelf - 1], ttlMs)
  end
  if isPlaced[shelf] then
    keepAtLeast(KEYS[2 * shelf], ttlMs)
  end
end
return 1

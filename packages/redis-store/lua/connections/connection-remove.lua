-- Purpose: Removes connection records, or only some of their rooms, from their owner's record partitions.
-- KEYS:    for each record partition that is written to: its records, its rooms
-- ARGV:    1 the fence, in ms of Redis's clock; 2 number of rooms, or 0 to remove the records
--          themselves; then the rooms; then for each record: number of its record partition in KEYS, from 1, field
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(records * log rooms of a record partition + rooms removed)
-- Cluster: all keys carry the tag of the owning server
-- Flags:   allow-oom
-- Uses:    clock, fence, joined-rooms
local count = tonumber(ARGV[2])

for i = 3 + count, #ARGV, 2 do
  local partition, field = tonumber(ARGV[i]), ARGV[i + 1]
  if count == 0 then
    redis.call('HDEL', KEYS[2 * partition - 1], field)
    dropJoinedRooms(KEYS[2 * partition], field)
  else
    for at = 3, 2 + count do
      dropJoinedRoom(KEYS[2 * partition], field, ARGV[at])
    end
  end
end
return 1

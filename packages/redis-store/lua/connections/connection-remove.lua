-- Purpose: Removes connection records, or only some of their rooms, from their owner's record partitions.
-- KEYS:    for each record partition that is written to: its records, its rooms
-- ARGV:    1 the fence, in ms of Redis's clock; 2 '1' to remove only some rooms of the records; then for each
--          record: number of its record partition in KEYS, from 1, field; or for each room of a record: number
--          of its record partition, head
-- Returns: 1, or -1 if the fence has passed
-- Cost:    O(records * log rooms of a record partition + rooms removed)
-- Cluster: all keys carry the tag of the owning server
-- Flags:   allow-oom
-- Uses:    clock, fence, joined-rooms
local onlyRooms = ARGV[2] == '1'

for i = 3, #ARGV, 2 do
  local partition = tonumber(ARGV[i])
  if onlyRooms then
    dropJoinedRoom(KEYS[2 * partition], ARGV[i + 1])
  else
    redis.call('HDEL', KEYS[2 * partition - 1], ARGV[i + 1])
    dropJoinedRooms(KEYS[2 * partition], ARGV[i + 1])
  end
end
return 1

-- The first argument is when the right to write runs out, in ms of Redis's clock: nothing
-- is written from then on.
if nowMs >= tonumber(ARGV[1]) then
  return -1
end

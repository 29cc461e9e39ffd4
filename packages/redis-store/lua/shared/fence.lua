-- The first argument is the fence, in ms of Redis's clock: from then on, the script writes nothing.
if nowMs >= tonumber(ARGV[1]) then
  return -1
end

-- Redis's clock at the start of the script, in microseconds and in milliseconds.
local time = redis.call('TIME')
local nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local nowMs = math.floor(nowMicros / 1000)

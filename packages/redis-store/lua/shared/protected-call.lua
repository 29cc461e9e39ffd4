-- Runs one step of a script. Returns its result, or the error with which it failed: if a key of one step holds
-- another type, the script must still run the other steps.
local function protectedCall(step, ...)
  local done, outcome = pcall(step, ...)
  if not done and type(outcome) ~= 'table' then
    -- pcall returns a command's error as text or as a reply table, depending on the version of Redis.
    outcome = redis.error_reply(outcome)
  end
  return outcome
end

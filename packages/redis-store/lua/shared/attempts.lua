-- Returns the result of the step, or the error that it failed with: a key of another type in one part must not
-- keep the script from the others.
local function attempt(step, ...)
  local done, outcome = pcall(step, ...)
  if not done and type(outcome) ~= 'table' then
    -- pcall returns a command's error as text or as a reply table, depending on the version of Redis.
    outcome = redis.error_reply(outcome)
  end
  return outcome
end

local function noPermission(command)
  return redis.error_reply("NOPERM this client has no permissions to run the '" .. command .. "' command")
end

-- Returns an error that names the first of the commands that this client has no permission to run, or nil.
-- Writes and publications cannot be undone, so a script checks before the first of them.
local function missingPermission(commands)
  for _, command in ipairs(commands) do
    if not redis.acl_check_cmd(unpack(command)) then
      return noPermission(command[1])
    end
  end
end

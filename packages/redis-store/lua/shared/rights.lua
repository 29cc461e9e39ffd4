-- An error that names the first of these commands that this client may not run, or nil. Neither a
-- write nor a publication can be taken back, so a script asks before the first of them.
local function missingRight(commands)
  for _, command in ipairs(commands) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply("NOPERM this client has no permissions to run the '" .. command[1] .. "' command")
    end
  end
end

-- Takes, keeps or gives up a turn that one has at a time.
--
-- KEYS: the turn. ARGV: 3 who asks, 4 ms for which they have it, 0 gives it up.
-- Returns: 1 they have it, 0 somebody else has, or nobody.
-- Run twice, the second call does what the first did.
local holder = call("GET", KEYS[1])
if ARGV[4] == "0" then
  if holder == ARGV[3] then
    call("DEL", KEYS[1])
  end
  return 0
end
if holder and holder ~= ARGV[3] then
  return 0
end
call("SET", KEYS[1], ARGV[3], "PX", ARGV[4])
return 1

-- Changes a deployment that is still as the caller saw it.
--
-- KEYS: the hash of deployments. ARGV: 3 its field, 4 the revision that the caller saw (0 for none), 5 the deployment as
--   JSON, 6 the key of its history, 7 the entry for it as JSON, 8 entries to keep, 9 the channel to tell.
-- Returns: 1 done, 0 somebody else has changed it.
-- Run twice, the second call answers 0.
local found = call("HGET", KEYS[1], ARGV[3])
local revision = found and cjson.decode(found).revision or 0
if revision ~= tonumber(ARGV[4]) then
  return 0
end
call("HSET", KEYS[1], ARGV[3], ARGV[5])
call("LPUSH", ARGV[6], ARGV[7])
call("LTRIM", ARGV[6], 0, tonumber(ARGV[8]) - 1)
call("PUBLISH", ARGV[9], ARGV[3])
return 1

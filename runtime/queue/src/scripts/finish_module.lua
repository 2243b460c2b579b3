-- Makes a module visible whose chunks are all there.
--
-- KEYS: the module's hash. ARGV: 3 what is known of it, as JSON, 4 its chunks.
-- Returns: 1 done, 0 chunks are missing: somebody has removed a damaged one meanwhile.
-- Run twice, the second call changes nothing.
if call("HLEN", KEYS[1]) - call("HEXISTS", KEYS[1], "info") < tonumber(ARGV[4]) then
  return 0
end
call("HSET", KEYS[1], "info", ARGV[3])
call("PERSIST", KEYS[1])
return 1

-- Makes a blob visible whose chunks are all there.
--
-- KEYS: the blob's hash. ARGV: 3 what is known of it, as JSON, 4 its chunks, 5 ms that it is kept, 0 for ever.
-- Returns: 1 done, 0 chunks are missing: somebody has removed a damaged one meanwhile.
-- Run twice, the second call changes nothing but the time from which it is kept.
if call("HLEN", KEYS[1]) - call("HEXISTS", KEYS[1], "info") < tonumber(ARGV[4]) then
  return 0
end
call("HSET", KEYS[1], "info", ARGV[3])
if ARGV[5] == "0" then
  call("PERSIST", KEYS[1])
else
  call("PEXPIRE", KEYS[1], ARGV[5])
end
return 1

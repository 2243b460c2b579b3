-- Puts one chunk of a blob that is being uploaded.
--
-- KEYS: the blob's hash. ARGV: 3 the chunk's number, 4 the chunk, 5 ms after which an upload that stands still is
--   forgotten.
-- Returns: 1 put, 0 the blob is whole already.
-- Run twice, the second call changes nothing.
if call("HEXISTS", KEYS[1], "info") == 1 then
  return 0
end
call("HSET", KEYS[1], ARGV[3], ARGV[4])
call("PEXPIRE", KEYS[1], ARGV[5])
return 1

-- Writes a field of a job that its worker holds. ARGV: 3 id, 4 token, 5 field, 6 value.
-- Returns 1, -1 when the job is gone, -6 when its lock is gone or another's. Running it twice writes the same again.
local key = base .. ARGV[3]
if call("EXISTS", key) == 0 then
  return -1
elseif call("GET", key .. ":lock") ~= ARGV[4] then
  return -6
end
call("HSET", key, ARGV[5], ARGV[6])
return 1

-- Renews locks. ARGV: 3 lock ms, then id and token of each. Returns the ids whose lock is gone or another's.
-- A lock that has expired is never made again. Running it twice renews twice, which is harmless.
local lock_ms = ARGV[3]
local keys, lost, renewed = {}, {}, {}
for i = 4, #ARGV, 2 do
  keys[#keys + 1] = base .. ARGV[i] .. ":lock"
end
for from = 1, #keys, 4000 do
  local held = call("MGET", unpack(keys, from, math.min(from + 3999, #keys)))
  for offset = 1, #held do
    local n = from + offset - 1
    local id, token = ARGV[4 + (n - 1) * 2], ARGV[5 + (n - 1) * 2]
    if held[offset] == token then
      call("PEXPIRE", keys[n], lock_ms)
      renewed[#renewed + 1] = id
    else
      lost[#lost + 1] = id
    end
  end
end
chunked("SREM", base .. "stalled", renewed)
return lost

-- Removes waiting jobs, prioritized ones, and with 3 = 1 delayed ones, but for those that schedulers have made.
-- ARGV: 3 delayed too 0|1, 4 jobs looked at in this call, 5 which list or set, 6 where in it to go on.
-- Returns {removed, next list or set, where to go on}; the list 0 means done. Running it twice goes on where it ended.
local NAMES = { "wait", "paused", "prioritized", "delayed" }
local last = ARGV[3] == "1" and 4 or 3
local page, at, from = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local key = base .. NAMES[at]
local is_list = at <= 2
local ids = call(is_list and "LRANGE" or "ZRANGE", key, from, from + page - 1)
local removed = 0
for _, id in ipairs(ids) do
  if is_armed(base, id) then
    from = from + 1
  else
    call(is_list and "LREM" or "ZREM", key, unpack(is_list and { 1, id } or { id }))
    erase(base, id, true)
    removed = removed + 1
  end
end
if #ids < page then
  at, from = at + 1, 0
end
return { removed, at > last and 0 or at, from }

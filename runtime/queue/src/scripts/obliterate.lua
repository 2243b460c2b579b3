-- Removes a paused queue with everything in it. ARGV: 3 force 0|1 (running jobs too), 4 jobs in this call.
-- Returns 0 done, 1 call again, -1 not paused, -2 jobs are running. Running it twice goes on where it ended.
local force, left = ARGV[3] == "1", tonumber(ARGV[4])
if call("HEXISTS", base .. "meta", "paused") == 0 then
  return -1
end
if not force and call("LLEN", base .. "active") > 0 then
  return -2
end

-- Erases the jobs of one key in parts, as far as this call goes.
local function erase_all(name, read, drop)
  while left > 0 do
    local ids = call(read, base .. name, 0, math.min(left, 500) - 1)
    if #ids == 0 then
      return
    end
    drop(ids)
    for _, id in ipairs(ids) do
      erase(base, id, true)
      if name == "active" then
        call("DEL", base .. id .. ":lock")
      end
    end
    left = left - #ids
  end
end

for _, list in ipairs({ "active", "wait", "paused" }) do
  erase_all(list, "LRANGE", function(ids)
    call("LTRIM", base .. list, #ids, -1)
  end)
end
for _, set in ipairs({ "delayed", "completed", "prioritized", "failed", "waiting-children" }) do
  erase_all(set, "ZRANGE", function(ids)
    call("ZREM", base .. set, unpack(ids))
  end)
end
while left > 0 do
  local schedulers = call("ZRANGE", base .. "repeat", 0, math.min(left, 500) - 1)
  if #schedulers == 0 then
    break
  end
  call("ZREM", base .. "repeat", unpack(schedulers))
  for _, scheduler in ipairs(schedulers) do
    call("DEL", base .. "repeat:" .. scheduler)
  end
  left = left - #schedulers
end
if left <= 0 then
  return 1
end
for _, name in ipairs({
  "events", "stalled-check", "stalled", "id", "pc", "marker", "meta", "limiter", "metrics:completed",
  "metrics:completed:data", "metrics:failed", "metrics:failed:data",
}) do
  call("DEL", base .. name)
end
return 0

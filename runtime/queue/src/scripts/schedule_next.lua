-- Makes the next job of a scheduler, as one of its jobs starts. ARGV: 3 id, 4 the job that starts, 5 next run ms of a
--   cron pattern or "", 6 options of the next job without what belongs to one run, 7 members of its `repeat` without
--   count and offset, 8 its count, 9 priority, 10 lifo 0|1.
-- Returns its id; "" when nothing is to be made: the scheduler is gone, or the job is not its newest.
-- Running it twice makes one job: afterwards the one that starts is not the newest.
local id, starting, cron_at = ARGV[3], ARGV[4], tonumber(ARGV[5])
local key = base .. "repeat:" .. id
local previous = tonumber(call("ZSCORE", base .. "repeat", id) or "")
if not previous or starting ~= "repeat:" .. id .. ":" .. number_text(previous) then
  return ""
end
local found = call("HMGET", key, "name", "data", "every", "startDate", "offset", "ic")
if not found[1] or not found[6] then
  -- No scheduler, or one of a version before 4 that nobody can serve.
  return ""
end
local every, at, offset = tonumber(found[3] or ""), nil, nil
if every then
  at, offset = next_slot(every, tonumber(found[5] or "") or 0, previous, tonumber(found[4] or ""))
  if not found[5] then
    call("HSET", key, "offset", number_text(offset))
  end
elseif cron_at then
  at = math.max(cron_at, now)
else
  return ""
end
local job_id = "repeat:" .. id .. ":" .. number_text(at)
if call("EXISTS", base .. job_id) == 1 then
  trimmed_event(base, "duplicated", "jobId", job_id)
  return ""
end
call("ZADD", base .. "repeat", number_text(at), id)
call("HINCRBY", key, "ic", 1)
local job = { name = found[1], data = found[2] or "{}", priority = ARGV[9], front = ARGV[10] == "1" }
store_iteration(id, at, job, ARGV[6], ARGV[7], tonumber(ARGV[8]), offset, not every)
mark_touched()
return job_id

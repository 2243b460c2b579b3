-- Creates or changes a job scheduler and makes the job of its next run.
-- ARGV: 3 id, 4 next run ms of a cron pattern or "", 5 every ms or "", 6 offset ms or "", 7 name, 8 data or "",
--   9 options of its jobs as a JSON object or "", 10 their members without braces, 11 members of `repeat`,
--   12 pattern, 13 time zone, 14 limit, 15 start ms, 16 end ms (each or ""), 17 priority, 18 lifo 0|1.
-- Returns {job id, its delay}, or -10 (the job of that time runs or has run), -11 (so have 32 of them).
-- Running it twice makes the same job again.
local id, cron_at, every = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local key = base .. "repeat:" .. id
local start = tonumber(ARGV[15])
local old = call("HMGET", key, "ic", "every", "offset")
local previous = tonumber(call("ZSCORE", base .. "repeat", id) or "")
local same_every = every and tonumber(old[2] or "") == every

local removed = false
if previous then
  local job = "repeat:" .. id .. ":" .. number_text(previous)
  if call("EXISTS", base .. job) == 1 then
    local out = call("ZREM", base .. "delayed", job) + call("ZREM", base .. "prioritized", job)
      + call("LREM", base .. "wait", 0, job) + call("LREM", base .. "paused", 0, job)
    removed = out > 0
    if removed then
      erase(base, job, true)
    end
  end
end

local given_offset = tonumber(ARGV[6])
local offset = given_offset or 0
local at
if every then
  if removed and same_every then
    at = previous
    offset = given_offset or tonumber(old[3] or "") or at - math.floor(at / every) * every
  else
    at, offset = next_slot(every, offset, same_every and previous or nil, start)
  end
else
  at = math.max(cron_at, now)
end
local function taken(slot)
  return call("EXISTS", base .. "repeat:" .. id .. ":" .. number_text(slot)) == 1
end
if taken(at) then
  if not every then
    if not removed then
      return -10
    end
  else
    local tries = 0
    while taken(at) do
      tries = tries + 1
      if tries > 32 then
        return -11
      end
      at = at + every
    end
  end
end

call("ZADD", base .. "repeat", number_text(at), id)
call("DEL", key)
local fields = { "name", ARGV[7], "ic", old[1] or 1 }
also(fields, "data", ARGV[8])
also(fields, "opts", ARGV[9])
also(fields, "pattern", ARGV[12])
also(fields, "tz", ARGV[13])
also(fields, "limit", ARGV[14])
also(fields, "startDate", ARGV[15])
also(fields, "endDate", ARGV[16])
also(fields, "every", ARGV[5])
also(fields, "offset", every and number_text(offset) or old[3])
call("HSET", key, unpack(fields))

local job = { name = ARGV[7], data = ARGV[8] ~= "" and ARGV[8] or "{}", priority = ARGV[17], front = ARGV[18] == "1" }
local job_id, delay =
  store_iteration(id, at, job, ARGV[10], ARGV[11], 1, every and offset or nil, not every)
mark_touched()
return { job_id, delay }

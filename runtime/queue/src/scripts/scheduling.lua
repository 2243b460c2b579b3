-- Job schedulers, for the scripts that make their jobs.

-- When an `every` scheduler runs next, and the offset that keeps it there.
local function next_slot(every, offset, previous, start)
  local slot
  if previous then
    slot = previous + every
    if slot < now then
      slot = math.floor(now / every) * every + offset
      if slot <= now then
        slot = slot + every
      end
    end
  elseif start then
    slot = math.max(start, now)
  elseif offset > 0 then
    slot = math.floor(now / every) * every + offset
    if slot <= now then
      slot = slot + every
    end
  else
    slot = now
  end
  if offset == 0 then
    offset = slot - math.floor(slot / every) * every
  end
  return math.floor(slot), math.floor(offset)
end

local function number_text(value)
  return string.format("%.0f", value)
end

-- Stores the job of one iteration. `template` and `every_time` are the members of two JSON objects without their
-- braces: the options of every job, and its `repeat`.
local function store_iteration(id, at, job, template, every_time, count, offset, cron)
  local delay = math.max(at - now, 0)
  local function member(text)
    return text == "" and "" or text .. ","
  end
  local job_id = "repeat:" .. id .. ":" .. number_text(at)
  local opts = "{" .. member(template)
    .. '"jobId":' .. cjson.encode(job_id) .. ',"delay":' .. number_text(delay)
    .. ',"timestamp":' .. number_text(now) .. ',"repeatJobKey":' .. cjson.encode(id)
    .. (cron and ',"prevMillis":' .. number_text(at) or "")
    .. ',"repeat":{' .. member(every_time) .. '"count":' .. number_text(count)
    .. (offset and ',"offset":' .. number_text(offset) or "") .. "}}"
  call("INCR", base .. "id")
  store_job(base, job_id, {
    id = job_id, name = job.name, data = job.data, opts = opts, timestamp = number_text(now),
    delay = number_text(delay), priority = job.priority, front = job.front, scheduler = id,
  })
  return job_id, delay
end

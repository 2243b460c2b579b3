-- Makes delayed jobs, or finished ones, wait again. ARGV: 3 delayed | failed | completed, 4 at most so many,
--   5 only those with a score of at most this ms ("+inf" for all).
-- Returns how many were moved; call again until it is fewer than asked for. Running it twice goes on where it ended.
local state, count, until_ms = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local meta = read_meta(base)
local cutoff = until_ms
if state == "delayed" and until_ms ~= "+inf" then
  cutoff = (tonumber(until_ms) + 1) * 4096 - 1
end
local ids = call("ZRANGEBYSCORE", base .. state, "-inf", cutoff, "LIMIT", 0, count)
if #ids == 0 then
  return 0
end
chunked("ZREM", base .. state, ids)
for _, id in ipairs(ids) do
  local key = base .. id
  local job = redis.pcall("HMGET", key, "name", "priority", "parentKey")
  -- An id without a job goes.
  if not job.err and job[1] then
    if state == "delayed" then
      call("HSET", key, "delay", 0)
    else
      call("HDEL", key, "finishedOn", "processedOn", state == "failed" and "failedReason" or "returnvalue")
      return_to_parent(key, job[3], state)
    end
    enqueue(base, id, tonumber(job[2] or "") or 0, false)
    call("XADD", base .. "events", "MAXLEN", "~", meta.events, "*", "event", "waiting", "jobId", id, "prev", state)
  end
end
mark(base, meta)
return #ids

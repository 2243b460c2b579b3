-- Moves one job on request. ARGV: 3 what, 4 id, then by what:
--   promote   a delayed job waits now
--   retry     a finished job waits again: 5 its state, completed or failed, 6 reset atm 0|1, 7 reset ats 0|1
--   priority  5 the new priority, 6 to the front 0|1
--   delay     5 ms from now, of a delayed job
-- Returns 1, or BullMQ's negative code (-1 no such job, -3 not in the state that this needs).
-- A second promote or retry answers -3 and changes nothing; the others write the same again.
local what, id = ARGV[3], ARGV[4]
local key = base .. id
local meta = read_meta(base)

local function told(...)
  call("XADD", base .. "events", "MAXLEN", "~", meta.events, "*", "event", ...)
end

local actions = {}

function actions.promote(job)
  if call("ZREM", base .. "delayed", id) == 0 then
    return -3
  end
  enqueue(base, id, job.priority, false)
  mark(base, meta)
  told("waiting", "jobId", id, "prev", "delayed")
  call("HSET", key, "delay", 0)
  return 1
end

function actions.retry(job)
  local state = ARGV[5]
  if call("ZREM", base .. state, id) == 0 then
    return -3
  end
  local gone = { "finishedOn", "processedOn", state == "failed" and "failedReason" or "returnvalue" }
  if ARGV[6] == "1" then
    gone[#gone + 1] = "atm"
  end
  if ARGV[7] == "1" then
    gone[#gone + 1] = "ats"
  end
  call("HDEL", key, unpack(gone))
  enqueue(base, id, job.priority, job.lifo)
  mark(base, meta)
  return_to_parent(key, job.parent, state)
  told("waiting", "jobId", id, "prev", state)
  return 1
end

function actions.priority()
  local priority, front = tonumber(ARGV[5]), ARGV[6] == "1"
  if call("ZSCORE", base .. "completed", id) or call("ZSCORE", base .. "failed", id) then
    return -3
  end
  call("HSET", key, "priority", priority)
  if call("ZREM", base .. "prioritized", id) == 0 and call("LREM", base .. "wait", -1, id) == 0 then
    return 1
  end
  if priority > 0 and front then
    call("ZADD", base .. "prioritized", priority * 0x100000000, id)
  else
    enqueue(base, id, priority, front)
  end
  mark(base, meta)
  return 1
end

function actions.delay()
  if not call("ZSCORE", base .. "delayed", id) then
    return -3
  end
  local due = now + tonumber(ARGV[5])
  call("ZREM", base .. "delayed", id)
  call("HSET", key, "delay", ARGV[5])
  call("ZADD", base .. "delayed", delayed_score(base, due), id)
  told("delayed", "jobId", id, "delay", due)
  mark_delayed(base)
  return 1
end

local found = redis.pcall("HMGET", key, "name", "priority", "parentKey", "opts")
if found.err or not found[1] then
  return -1
end
local known, opts = pcall(cjson.decode, found[4] or "{}")
return actions[what]({
  priority = tonumber(found[2] or "") or 0,
  parent = found[3],
  lifo = known and type(opts) == "table" and opts.lifo == true,
})

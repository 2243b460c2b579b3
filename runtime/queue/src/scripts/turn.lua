-- One turn of a queue: writes settlements, then takes jobs. One round trip for many jobs.
--
-- ARGV: 3 settlements, 4 jobs to take at most, 5 token, 6 lock ms, 7 worker name or "", 8 minutes of metrics to keep,
--   9 and 10 jobs and ms of the worker's own rate limit or "", 11 what all jobs of the queue share, as JSON or "":
--   limiters, charged for each job that is taken, breakers, and groups that take turns, then eleven values a settlement:
--   id, token, action, finished ms, and by action (the eleventh: digest of the deployed module that served it, or "")
--   complete  return value, -, keep count, keep age s, keep limit, -
--   fail      reason, stacktrace, keep count, keep age s, keep limit, attempts
--   retry     reason, stacktrace, delay ms, lifo 0|1, -, -
--   delay     -, -, delay ms, 1 when a limiter or breaker held it back, -, -
--   release   -
--   children  -, -, delay ms when none is pending, -, -, -
--   Keep count: -1 keeps all, 0 removes at once. Keep age: -1 is none.
-- Returns: codes of the settlements (1 done, else BullMQ's negative code), jobs, ids that were no jobs, what comes
--   next (see below), its value, the text of an error that ended the taking, and the limiter or breaker that keeps
--   jobs back.
-- Run twice, the settlements of the second call answer -2 (the lock is gone) and change nothing.
local settlements = tonumber(ARGV[3])
local wanted = tonumber(ARGV[4])
local token = ARGV[5]
local lock_ms = ARGV[6]
local worker = ARGV[7]
local minutes = tonumber(ARGV[8])
local STRIDE, FIRST = 11, 12

local MORE, EMPTY, LIMITED, PAUSED, MAXED = 0, 1, 2, 3, 4
local NOT_A_JOB = -12
-- What BullMQ's `rateLimit` sets the counter to.
local HELD = 9007199254740991

local active = base .. "active"
local meta = read_meta(base)
-- BullMQ's precedence: the queue's number of jobs, but the worker's time.
local max, duration = meta.max or tonumber(ARGV[9]), tonumber(ARGV[10]) or meta.duration or 0
local gates = ARGV[11] ~= "" and cjson.decode(ARGV[11])
local limits, gate = {}, false
local groups = gates and type(gates.groups) == "table" and gates.groups
local groups_blocked = false
local runnable, due_changed = false, false
local ended = { completed = 0, failed = 0 }

-- Jobs that end with the same keep policy one after another are stored and trimmed together.
local run = { members = {} }
local doomed = {}

local function trim(gone)
  for _, id in ipairs(gone) do
    local key = base .. id
    local parent_key = redis.pcall("HGET", key, "parentKey")
    if type(parent_key) == "string" then
      detach(key, parent_key)
    end
    doom(doomed, key)
  end
end

local function store_run()
  local members = run.members
  if #members == 0 then
    return
  end
  local set = base .. run.set
  chunked("ZADD", set, members)
  if run.age >= 0 then
    local limit = run.limit * #members / 2
    local cutoff = now - run.age * 1000
    local gone = call("ZREVRANGEBYSCORE", set, cutoff, "-inf", "LIMIT", 0, limit)
    trim(gone)
    if #gone < limit then
      call("ZREMRANGEBYSCORE", set, "-inf", cutoff)
    else
      chunked("ZREM", set, gone)
    end
  end
  if run.count > 0 then
    trim(call("ZREVRANGE", set, run.count, -1))
    call("ZREMRANGEBYRANK", set, 0, -(run.count + 1))
  end
  run = { members = {} }
end

local function store(set, id, at)
  local count, age, limit = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])
  if run.set ~= set or run.count ~= count or run.age ~= age or run.limit ~= limit then
    store_run()
    run = { set = set, count = count, age = age, limit = limit, members = {} }
  end
  local members = run.members
  members[#members + 1] = ARGV[at + 3]
  members[#members + 1] = id
end

-- Frees the deduplication id of a job that ended, unless it is to outlive the job.
local function free_deduplication(id, deduplication)
  local key = base .. "de:" .. deduplication
  local ttl = call("PTTL", key)
  if ttl == 0 or (ttl == -1 and call("GET", key) == id) then
    call("DEL", key)
  end
end

-- What a job that ended for good leaves to others.
local function end_job(set, id, deduplication)
  if deduplication then
    free_deduplication(id, deduplication)
    add_parked(base, deduplication)
  end
  ended[set] = ended[set] + 1
end

-- BullMQ's per-minute counts: a list of minutes, newest first; the count since `prevTS` is not in it yet.
local function count_minutes(set, count)
  if minutes == 0 or count == 0 then
    return
  end
  local key = base .. "metrics:" .. set
  local before = call("HINCRBY", key, "count", count) - count
  local found = call("HMGET", key, "prevTS", "prevCount")
  local since = tonumber(found[1] or "")
  if not since then
    call("HSET", key, "prevTS", now, "prevCount", 0)
    return
  end
  local passed = math.min(math.floor(now / 60000) - math.floor(since / 60000), minutes)
  if passed > 0 then
    call("LPUSH", key .. ":data", before - (tonumber(found[2] or "") or 0))
    local idle = {}
    for i = 1, passed - 1 do
      idle[i] = 0
    end
    chunked("LPUSH", key .. ":data", idle)
    call("LTRIM", key .. ":data", 0, minutes - 1)
    call("HSET", key, "prevCount", before, "prevTS", now)
  end
end

local actions = {}

function actions.complete(id, key, at, job)
  local value = ARGV[at + 4]
  end_job("completed", id, job[5])
  if job[3] then
    local queue, parent = split_job_key(job[3])
    if queue and call("SREM", job[3] .. ":dependencies", key) == 1 then
      call("HSET", job[3] .. ":processed", key, value)
      release_if_no_child_pends(queue, parent)
    end
  end
  if ARGV[at + 6] == "0" then
    doom(doomed, key)
  else
    store("completed", id, at)
    call("HSET", key, "atm", job.attempts + 1, "returnvalue", value, "finishedOn", ARGV[at + 3])
  end
  event(base, "completed", "jobId", id, "returnvalue", value, "prev", "active")
end

function actions.fail(id, key, at, job)
  local reason = ARGV[at + 4]
  end_job("failed", id, job[5])
  if job[3] then
    fail_in_parent(job[3], job[4], key, reason)
  end
  if ARGV[at + 6] == "0" then
    if job[3] then
      detach(key, job[3])
    end
    doom(doomed, key)
  else
    store("failed", id, at)
    call("HSET", key, "atm", job.attempts + 1, "failedReason", reason, "stacktrace", ARGV[at + 5], "finishedOn", ARGV[at + 3])
    call("HDEL", key, "defa")
  end
  event(base, "failed", "jobId", id, "failedReason", reason, "prev", "active")
  if job.attempts + 1 >= tonumber(ARGV[at + 9]) then
    event(base, "retries-exhausted", "jobId", id, "attemptsMade", job.attempts + 1)
  end
end

local function delay(id, key, ms, ...)
  local due = now + ms
  call("HSET", key, "delay", ms, ...)
  call("ZADD", base .. "delayed", delayed_score(base, due), id)
  event(base, "delayed", "jobId", id, "delay", due)
  due_changed = true
end

function actions.retry(id, key, at, job)
  local ms = tonumber(ARGV[at + 6])
  if ms > 0 then
    delay(id, key, ms, "atm", job.attempts + 1, "failedReason", ARGV[at + 4], "stacktrace", ARGV[at + 5])
    return
  end
  call("HSET", key, "atm", job.attempts + 1, "failedReason", ARGV[at + 4], "stacktrace", ARGV[at + 5])
  enqueue(base, id, job.priority, ARGV[at + 7] == "1")
  event(base, "waiting", "jobId", id, "prev", "active")
end

function actions.delay(id, key, at)
  if ARGV[at + 7] == "1" then
    -- Ours: starts that were none. BullMQ passes over fields that it does not know.
    call("HINCRBY", key, "gmh", 1)
  end
  delay(id, key, tonumber(ARGV[at + 6]))
end

function actions.release(id, _, _, job)
  if job.priority > 0 then
    call("ZADD", base .. "prioritized", job.priority * 0x100000000, id)
  else
    call("RPUSH", base .. "wait", id)
  end
  event(base, "waiting", "jobId", id, "prev", "active")
end

function actions.children(id, key, at)
  if call("SCARD", key .. ":dependencies") == 0 then
    -- Nothing to wait for: again soon, but not at once, so that a handler that always waits cannot spin.
    delay(id, key, tonumber(ARGV[at + 6]))
    return
  end
  call("ZADD", base .. "waiting-children", now, id)
  event(base, "waiting-children", "jobId", id, "prev", "active")
end

-- Answers the code of one settlement that may not be written, or nothing.
local function refusal(action, key, lock, held, job, some_have_children)
  if held == false then
    return job[1] and -2 or -1
  elseif held ~= lock then
    return -6
  elseif not job[1] then
    return -1
  elseif some_have_children and (action == "complete" or action == "children") then
    if action == "complete" and call("SCARD", key .. ":dependencies") > 0 then
      return -4
    elseif call("ZCARD", key .. ":unsuccessful") > 0 then
      return -9
    end
  end
end

local function settle()
  local codes, locks, children, retries = {}, {}, {}, false
  for i = 1, settlements do
    local at = FIRST + (i - 1) * STRIDE
    local key = base .. ARGV[at]
    locks[i] = key .. ":lock"
    if ARGV[at + 2] == "complete" or ARGV[at + 2] == "children" then
      children[#children + 1] = key .. ":dependencies"
      children[#children + 1] = key .. ":unsuccessful"
    end
    retries = retries or ARGV[at + 2] == "retry"
  end
  local held = call("MGET", unpack(locks))
  local some_have_children = #children > 0 and call("EXISTS", unpack(children)) > 0
  call("XTRIM", base .. "events", "MAXLEN", "~", meta.events)
  if retries and not meta.paused then
    -- Jobs that are due go before one that is tried again.
    promote_due()
  end

  local freed, settled = {}, {}
  for i = 1, settlements do
    local at = FIRST + (i - 1) * STRIDE
    local id, action = ARGV[at], ARGV[at + 2]
    local key = base .. id
    local job = redis.pcall("HMGET", key, "name", "atm", "parentKey", "parent", "deid", "priority")
    if job.err then
      codes[i] = NOT_A_JOB
      call("LREM", active, -1, id)
    else
      local code = refusal(action, key, ARGV[at + 1], held[i], job, some_have_children)
      if code == -1 or not code then
        freed[#freed + 1] = locks[i]
        settled[#settled + 1] = id
        if call("LREM", active, -1, id) == 0 then
          code = code or -3
        end
      end
      if not code then
        job.attempts = tonumber(job[2] or "") or 0
        job.priority = tonumber(job[6] or "") or 0
        if ARGV[at + 10] ~= "" then
          -- Ours, for whoever wants to know, and for retries that stay on their version.
          call("HSET", key, "gmd", ARGV[at + 10])
        end
        actions[action](id, key, at, job)
      end
      codes[i] = code or 1
      if code == -4 or code == -9 then
        -- Still ours, so its slot is not free.
        wanted = math.max(wanted - 1, 0)
      end
    end
  end
  if #freed > 0 then
    call("DEL", unpack(freed))
    call("SREM", base .. "stalled", unpack(settled))
    if groups then
      call("HDEL", group_key("group-of"), unpack(settled))
    end
  end
  store_run()
  chunked("DEL", nil, doomed)
  count_minutes("completed", ended.completed)
  count_minutes("failed", ended.failed)
  if touched[base] and touched[base].delayed then
    due_changed = true
  end
  return codes
end

-- How many of `allowed` jobs the queue's breakers and limiters let start; for none, how long to wait.
local function gates_room(allowed)
  local at = server_time()
  for _, spec in ipairs(gates.breakers) do
    local probes, wait = breaker_room(load_breaker(spec, at))
    if probes == 0 then
      gate = spec.name
      return 0, math.ceil(wait)
    end
    allowed = math.min(allowed, probes or allowed)
  end
  limits = load_limits(gates.limiters, at)
  local granted, wait, which, window = limits_room(limits, allowed, 1)
  if granted == 0 and which > 0 then
    gate = limits[which].spec.name
    if call("EXISTS", base .. "wait", base .. "prioritized") > 0 then
      refuse_limit(limits[which], window)
    end
  end
  return granted, math.ceil(wait)
end

-- How many jobs may be taken now, and why not more.
local function room()
  if meta.paused then
    return 0, PAUSED, 0
  end
  local allowed, why, value = wanted, MORE, 0
  -- Without a limit the counter only counts when it says that the queue is held.
  local used = tonumber(call("GET", base .. "limiter") or "") or 0
  if max or used >= HELD then
    if used >= (max or HELD) then
      local ttl = call("PTTL", base .. "limiter")
      if ttl > 0 then
        return 0, LIMITED, ttl
      elseif ttl == 0 then
        call("DEL", base .. "limiter")
        used = 0
      end
    end
    -- A counter without an expiry does not block; BullMQ reads it so.
    allowed = math.min(allowed, math.max((max or HELD) - used, 1))
  end
  if meta.concurrency then
    local left = meta.concurrency - call("LLEN", active)
    if left <= 0 then
      return 0, MAXED, 0
    elseif left < allowed then
      allowed, why = left, MAXED
    end
  end
  if gates then
    local granted, wait = gates_room(allowed)
    if granted == 0 then
      return 0, LIMITED, wait
    elseif granted < allowed then
      allowed, why = granted, MORE
    end
  end
  return allowed, why, value
end

local function pop(count)
  local ids = {}
  if groups then
    local blocked, wait
    ids, blocked, wait = pop_groups(groups, count)
    groups_blocked = blocked and { wait = wait }
  else
    ids = call("RPOP", base .. "wait", count) or {}
  end
  if #ids < count and not groups_blocked then
    local found = call("ZPOPMIN", base .. "prioritized", count - #ids)
    for i = 1, #found, 2 do
      ids[#ids + 1] = found[i]
    end
    if #found == 0 then
      call("DEL", base .. "pc")
    end
  end
  if #ids > 0 then
    -- At once, so that an error further on cannot lose an id.
    chunked("LPUSH", active, ids)
  end
  return ids
end

local function start(id, jobs, strangers)
  local key = base .. id
  local job = redis.pcall(
    "HMGET", key, "name", "data", "opts", "timestamp", "atm", "ats", "defa", "stacktrace", "attemptsMade",
    "rjk", "gmh", "gmd"
  )
  if job.err or not job[1] then
    -- An id without a job: nothing could run it.
    call("LREM", active, 1, id)
    if string.sub(id, 1, 2) ~= "0:" then
      strangers[#strangers + 1] = id
    end
    return
  end
  call("SET", key .. ":lock", token, "PX", lock_ms)
  event(base, "active", "jobId", id, "prev", "waiting")
  local starts = (tonumber(job[6] or "") or 0) + 1
  if worker == "" then
    call("HSET", key, "processedOn", now, "ats", starts)
  else
    call("HSET", key, "processedOn", now, "ats", starts, "pb", worker)
  end
  job[13] = id
  jobs[#jobs + 1] = job
end

local function take(jobs, strangers)
  if not meta.paused then
    -- A paused queue keeps its delayed jobs: version 5's resume would overwrite `wait`, and them in it.
    promote_due()
  end
  local allowed, why, value = room()
  while #jobs < allowed do
    local ids = pop(allowed - #jobs)
    if #ids == 0 then
      break
    end
    for _, id in ipairs(ids) do
      start(id, jobs, strangers)
    end
    if groups_blocked then
      break
    end
  end
  if #jobs > 0 and (max or #limits > 0) then
    local counted = 0
    for _, job in ipairs(jobs) do
      if not job[7] then
        counted = counted + 1
      end
    end
    if counted > 0 then
      charge_limits(limits, counted)
    end
    if max and counted > 0 and call("INCRBY", base .. "limiter", counted) == counted then
      call("PEXPIRE", base .. "limiter", math.floor(math.abs(duration)))
    end
  end
  if groups_blocked and #jobs < allowed then
    return groups_blocked.wait and LIMITED or MAXED, math.ceil(groups_blocked.wait or 0)
  end
  if why ~= PAUSED and #jobs < allowed then
    local first = call("ZRANGE", base .. "delayed", 0, 0, "WITHSCORES")
    return EMPTY, first[2] and math.floor(tonumber(first[2]) / 4096) or 0
  end
  return why, value
end

local codes = {}
if settlements > 0 then
  codes = settle()
end
local jobs, strangers, next_is, value, trouble = {}, {}, EMPTY, 0, false
if wanted > 0 then
  local ok, first, second = pcall(take, jobs, strangers)
  if ok then
    next_is, value = first, second
  else
    trouble = type(first) == "table" and (first.err or "unknown") or tostring(first)
  end
end

-- Whatever is left must wake somebody.
if not trouble and not meta.paused then
  runnable = call("LLEN", base .. "wait") > 0 or call("ZCARD", base .. "prioritized") > 0
  -- Jobs of groups that may not run now wake nobody: whoever ends one of them looks again.
  if runnable and not groups_blocked then
    mark(base, meta)
  end
end
if due_changed then
  mark_delayed(base)
end
if ended.completed + ended.failed > 0 and #jobs == 0 and not runnable and not trouble and not meta.paused then
  if (wanted == 0 or value == 0) and call("LLEN", active) == 0 then
    call("XADD", base .. "events", "*", "event", "drained")
  end
end
return { codes, jobs, strangers, next_is, value, trouble, gate }

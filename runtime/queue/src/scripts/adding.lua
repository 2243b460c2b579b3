-- Storing new jobs, for the scripts that add. A job is a table:
--   id (of the producer's choice, or ""), name, data, opts (JSON), timestamp, delay, priority, front (true: lifo),
--   parent_key and parent (JSON) of a child, waits (true: for its own children), scheduler (its id),
--   once: deduplication, a table id, ttl, extend, replace, keep (while active), reschedule.
-- `flow` is true while a whole tree is being added: parents are looked at when all their children are there.

-- Queues that got jobs, each with what is written once at the end.
local touched = {}

local function touch(queue)
  local known = touched[queue]
  if not known then
    known = { meta = read_meta(queue) }
    touched[queue] = known
  end
  return known
end

local function trimmed_event(queue, ...)
  call("XADD", queue .. "events", "MAXLEN", "~", touch(queue).meta.events, "*", "event", ...)
end

-- Wakes workers for what was added.
local function mark_touched()
  for queue, known in pairs(touched) do
    if known.runnable then
      mark(queue, known.meta)
    end
    if known.delayed then
      mark_delayed(queue)
    end
  end
end

local function next_id(queue, wanted)
  local counter = call("INCR", queue .. "id")
  return wanted ~= "" and wanted or string.format("%.0f", counter)
end

-- Writes a new job and puts it where it waits.
local function store_job(queue, id, job)
  local key = queue .. id
  local fields = {
    "name", job.name, "data", job.data, "opts", job.opts, "timestamp", job.timestamp, "delay", job.delay,
    "priority", job.priority,
  }
  also(fields, "parentKey", job.parent_key)
  also(fields, "parent", job.parent)
  also(fields, "rjk", job.scheduler)
  also(fields, "deid", job.once and job.once.id)
  call("HSET", key, unpack(fields))
  event(queue, "added", "jobId", id, "name", job.name)
  local known = touch(queue)
  if job.waits then
    call("ZADD", queue .. "waiting-children", job.timestamp, id)
    trimmed_event(queue, "waiting-children", "jobId", id)
  elseif tonumber(job.delay) > 0 then
    local due = tonumber(job.timestamp) + tonumber(job.delay)
    call("ZADD", queue .. "delayed", delayed_score(queue, due), id)
    trimmed_event(queue, "delayed", "jobId", id, "delay", due)
    known.delayed = true
  else
    enqueue(queue, id, tonumber(job.priority), job.front)
    trimmed_event(queue, "waiting", "jobId", id)
    known.runnable = true
  end
  if job.parent_key and job.parent_key ~= "" then
    call("SADD", job.parent_key .. ":dependencies", key)
  end
end

-- A job with this id is there already: a parent that is given with it may become its parent.
-- Returns nothing, or -7 when it has another parent that lives.
local function meet_existing(queue, id, job, flow)
  local key, parent = queue .. id, job.parent_key
  if parent and parent ~= "" then
    local present = call("HGET", key, "parentKey")
    if present and present ~= parent and call("EXISTS", present) == 1 then
      if flow then
        call("HSET", parent, "flowAttachmentFailed", 1)
      end
      return -7
    end
    if call("ZSCORE", queue .. "completed", id) then
      call("HSET", parent .. ":processed", key, call("HGET", key, "returnvalue") or "null")
      local parent_queue, parent_id = split_job_key(parent)
      if parent_queue and not flow then
        release_if_no_child_pends(parent_queue, parent_id)
      end
    else
      call("SADD", parent .. ":dependencies", key)
    end
    call("HSET", key, "parentKey", parent, "parent", job.parent)
  end
  trimmed_event(queue, "duplicated", "jobId", id)
end

-- Looks whether a job of the same deduplication id lives. Returns its id when the new job is not to be added.
local function deduplicate(queue, id, job)
  local once = job.once
  local owner_key, parked_key = queue .. "de:" .. once.id, queue .. "dn:" .. once.id
  local ttl = not once.keep and tonumber(once.ttl) or 0
  local function own(value)
    if ttl > 0 then
      call("SET", owner_key, value, "PX", ttl)
    else
      call("SET", owner_key, value)
    end
  end
  local function told(survivor, dropped)
    trimmed_event(queue, "deduplicated", "jobId", survivor, "deduplicationId", once.id, "deduplicatedJobId", dropped)
  end

  local owner = call("GET", owner_key)
  if not owner then
    own(id)
    return
  end
  if call("PTTL", owner_key) == -1 and call("EXISTS", queue .. owner) == 0 then
    -- The owner's data is gone, and nothing else would ever free the id.
    call("DEL", parked_key)
    own(id)
    return
  end

  if once.replace and call("ZREM", queue .. "delayed", owner) == 1 then
    local doomed = {}
    doom(doomed, queue .. owner)
    call("DEL", unpack(doomed))
    event(queue, "removed", "jobId", owner, "prev", "delayed")
    told(id, owner)
    call("DEL", parked_key)
    if ttl > 0 and not once.extend then
      call("SET", owner_key, id, "KEEPTTL")
    else
      own(id)
    end
    return
  end

  if once.keep and call("LPOS", queue .. "active", owner) then
    -- The newest one is parked; it is added when the owner has ended.
    call("DEL", parked_key)
    local fields = { "name", job.name, "data", job.data, "opts", job.opts, "jid", id }
    also(fields, "pk", job.parent_key)
    also(fields, "pd", job.parent)
    also(fields, "pdk", job.parent_key and job.parent_key ~= "" and job.parent_key .. ":dependencies")
    also(fields, "rjk", job.scheduler)
    call("HSET", parked_key, unpack(fields))
    call("PERSIST", owner_key)
    told(owner, id)
    return owner
  end
  if once.replace then
    return owner
  end
  if once.extend and ttl > 0 then
    own(owner)
  end
  told(owner, id)
  if once.reschedule and call("ZSCORE", queue .. "delayed", owner) then
    local due = tonumber(job.timestamp) + tonumber(job.delay)
    call("HSET", queue .. owner, "delay", job.delay)
    call("ZADD", queue .. "delayed", delayed_score(queue, due), owner)
    trimmed_event(queue, "delayed", "jobId", owner, "delay", due)
    touch(queue).delayed = true
  end
  return owner
end

-- Why a job may not be added whatever else holds, or nothing: -5 its parent is gone, -7 it has another that lives.
local function refusal_of(queue, job)
  local parent = job.parent_key
  if not parent or parent == "" then
    return
  elseif call("EXISTS", parent) == 0 then
    return -5
  elseif job.id ~= "" then
    local present = call("HGET", queue .. job.id, "parentKey")
    if present and present ~= parent and call("EXISTS", present) == 1 then
      return -7
    end
  end
end

-- Adds one job. Returns its id, or in a table the id of the job that stands for it, or a negative code of BullMQ's.
local function add_job(queue, job, flow)
  local parent = job.parent_key
  if parent and parent ~= "" and call("EXISTS", parent) == 0 then
    return -5
  end
  local id = next_id(queue, job.id)
  if job.id ~= "" and call("EXISTS", queue .. id) == 1 then
    return meet_existing(queue, id, job, flow) or { id }
  end
  local survivor = job.once and deduplicate(queue, id, job)
  if survivor then
    return { survivor }
  end
  store_job(queue, id, job)
  return id
end

-- The owner of a deduplication id has ended: the job that was parked meanwhile is added.
local function add_parked(queue, deduplication)
  local parked_key = queue .. "dn:" .. deduplication
  local found = call("HMGET", parked_key, "name", "data", "opts", "jid", "pk", "pd", "rjk")
  if not found[1] then
    return
  end
  call("DEL", parked_key)
  local id = next_id(queue, found[4] or "")
  if call("EXISTS", queue .. id) == 1 then
    return
  end
  local known, opts = pcall(cjson.decode, found[3] or "{}")
  if not known or type(opts) ~= "table" then
    opts = {}
  end
  local once = type(opts.de) == "table" and opts.de or {}
  local ttl = tonumber(once.ttl) or 0
  if ttl > 0 and not once.keepLastIfActive then
    call("SET", queue .. "de:" .. deduplication, id, "PX", ttl)
  else
    call("SET", queue .. "de:" .. deduplication, id)
  end
  store_job(queue, id, {
    name = found[1], data = found[2] or "{}", opts = found[3] or "{}", timestamp = now,
    delay = tonumber(opts.delay) or 0, priority = tonumber(opts.priority) or 0, front = opts.lifo == true,
    parent_key = found[5], parent = found[6], scheduler = found[7], once = { id = deduplication },
  })
end

-- Shared by every script; ARGV[1] is the queue's base key `PREFIX:QUEUE:` and ARGV[2] the caller's clock in ms.
-- Layout and formulas are BullMQ's. Scripts only build keys that start with the base of a queue in the same slot.
local call = redis.call
local base = ARGV[1]
local now = tonumber(ARGV[2])

-- Parts of a job's data, besides its hash and its lock.
local PARTS = { "", ":logs", ":dependencies", ":processed", ":failed", ":unsuccessful" }

local function event(queue, ...)
  call("XADD", queue .. "events", "*", "event", ...)
end

-- Runs `command` over any number of arguments, below Lua's limit on unpacked values.
local function chunked(command, key, values)
  for from = 1, #values, 4000 do
    local to = math.min(from + 3999, #values)
    if key then
      call(command, key, unpack(values, from, to))
    else
      call(command, unpack(values, from, to))
    end
  end
end

-- paused, concurrency, max, duration and the cap of the events stream, in one read.
local function read_meta(queue)
  local found = call("HMGET", queue .. "meta", "paused", "concurrency", "max", "duration", "opts.maxLenEvents")
  if not found[5] then
    call("HSET", queue .. "meta", "opts.maxLenEvents", 10000)
  end
  return {
    paused = found[1],
    concurrency = tonumber(found[2] or ""),
    max = tonumber(found[3] or ""),
    duration = tonumber(found[4] or ""),
    events = tonumber(found[5] or "") or 10000,
  }
end

local function is_maxed(queue, meta)
  return meta.concurrency ~= nil and call("LLEN", queue .. "active") >= meta.concurrency
end

-- Wakes one waiting worker, whoever runs it.
local function mark(queue, meta)
  if not meta.paused and not is_maxed(queue, meta) then
    call("ZADD", queue .. "marker", 0, "0")
  end
end

-- Wakes one waiting worker when the earliest delayed job is due.
local function mark_delayed(queue)
  local first = call("ZRANGE", queue .. "delayed", 0, 0, "WITHSCORES")
  if first[2] then
    call("ZADD", queue .. "marker", tonumber(first[2]) / 4096, "1")
  end
end

-- Score of a job due at `due`: first come, first served for up to 4096 jobs of one millisecond.
local function delayed_score(queue, due)
  local low = due * 4096
  local high = low + 4095
  local last = call("ZREVRANGEBYSCORE", queue .. "delayed", high, low, "WITHSCORES", "LIMIT", 0, 1)
  if last[2] then
    return math.min(tonumber(last[2]) + 1, high)
  end
  return low
end

local function priority_score(queue, priority)
  return priority * 0x100000000 + call("INCR", queue .. "pc") % 0x100000000
end

-- Puts a job where it waits by its priority. Without priority: to the back, or the front.
local function enqueue(queue, id, priority, front)
  if priority > 0 then
    call("ZADD", queue .. "prioritized", priority_score(queue, priority), id)
  elseif front then
    call("RPUSH", queue .. "wait", id)
  else
    call("LPUSH", queue .. "wait", id)
  end
end

-- Moves delayed jobs that are due to where they wait; at most 1000 a call. True if any moved.
local function promote_due()
  local delayed = base .. "delayed"
  local due = call("ZRANGEBYSCORE", delayed, 0, (now + 1) * 4096 - 1, "LIMIT", 0, 1000)
  if #due == 0 then
    return false
  end
  chunked("ZREM", delayed, due)
  for _, id in ipairs(due) do
    local job = base .. id
    local priority = redis.pcall("HGET", job, "priority")
    if type(priority) ~= "table" then
      enqueue(base, id, tonumber(priority or "") or 0, false)
      event(base, "waiting", "jobId", id, "prev", "delayed")
      call("HSET", job, "delay", 0)
    end
  end
  return true
end

-- Appends a hash's field and value, unless the value is missing or empty.
local function also(fields, name, value)
  if value and value ~= "" then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end

-- Splits `PREFIX:QUEUE:ID` at its last colon.
local function split_job_key(key)
  return string.match(key, "^(.*:)([^:]*)$")
end

-- Puts a parent that waited for its children back to work.
local function release_parent(queue, id)
  local job = queue .. id
  local found = call("HMGET", job, "priority", "delay")
  local priority, delay = tonumber(found[1] or "") or 0, tonumber(found[2] or "") or 0
  if delay > 0 then
    call("ZADD", queue .. "delayed", (now + delay) * 4096, id)
    event(queue, "delayed", "jobId", id, "delay", now + delay)
    mark_delayed(queue)
    return
  end
  enqueue(queue, id, priority, true)
  mark(queue, read_meta(queue))
  event(queue, "waiting", "jobId", id, "prev", "waiting-children")
end

local function release_if_waiting(queue, id)
  if call("ZREM", queue .. "waiting-children", id) == 1 then
    release_parent(queue, id)
  end
end

local function release_if_no_child_pends(queue, id)
  if call("SCARD", queue .. id .. ":dependencies") == 0 then
    release_if_waiting(queue, id)
  end
end

-- A child failed for good: its `parent` field says what that means for the parent.
local function fail_in_parent(parent_key, parent_json, child_key, reason)
  local queue, id = split_job_key(parent_key)
  local known, policy = pcall(cjson.decode, parent_json or "{}")
  if not queue or not known or type(policy) ~= "table" then
    return
  end
  local dependencies = parent_key .. ":dependencies"
  if policy.fpof then
    if call("SREM", dependencies, child_key) == 1 then
      call("ZADD", parent_key .. ":unsuccessful", now, child_key)
      local text = "child " .. child_key .. " failed"
      if call("EXISTS", parent_key) == 1 then
        if call("ZREM", queue .. "waiting-children", id) == 1 then
          call("HSET", parent_key, "defa", text)
          release_parent(queue, id)
        elseif call("ZREM", queue .. "delayed", id) == 1 then
          call("HSET", parent_key, "delay", 0, "defa", text)
          release_parent(queue, id)
        elseif not call("ZSCORE", queue .. "failed", id) then
          call("HSET", parent_key, "defa", text)
        end
      end
    end
  elseif policy.cpof then
    if call("SREM", dependencies, child_key) == 1 then
      call("HSET", parent_key .. ":failed", child_key, reason)
      release_if_waiting(queue, id)
    end
  elseif policy.idof or policy.rdof then
    if call("SREM", dependencies, child_key) == 1 then
      release_if_no_child_pends(queue, id)
      if policy.idof then
        call("HSET", parent_key .. ":failed", child_key, reason)
      end
    end
  end
end

-- A job's data goes: its parent must not wait for it.
local function detach(job_key, parent_key)
  local queue, id = split_job_key(parent_key)
  if queue and call("SREM", parent_key .. ":dependencies", job_key) == 1 then
    if call("SCARD", parent_key .. ":dependencies") == 0 and call("ZREM", queue .. "waiting-children", id) == 1 then
      call("RPUSH", queue .. "wait", id)
      mark(queue, read_meta(queue))
      event(queue, "waiting", "jobId", id, "prev", "waiting-children")
    end
  end
end

-- Adds every key of a job to `doomed`, which the caller deletes.
local function doom(doomed, job_key)
  for _, part in ipairs(PARTS) do
    doomed[#doomed + 1] = job_key .. part
  end
end

-- A finished child is to run again: its parent, if it lives, waits for it again.
local function return_to_parent(job_key, parent_key, state)
  if not parent_key or call("EXISTS", parent_key) == 0 then
    return
  end
  local known
  if state == "completed" then
    known = call("HDEL", parent_key .. ":processed", job_key)
  else
    known = call("ZREM", parent_key .. ":unsuccessful", job_key) + call("HDEL", parent_key .. ":failed", job_key)
  end
  if known > 0 then
    call("SADD", parent_key .. ":dependencies", job_key)
  end
end

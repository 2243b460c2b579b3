-- Removes one job. ARGV: 3 id, 4 its children too 0|1.
-- Returns 1; 0 when it, or a child that is not finished, is running; -8 when a scheduler has made it for its next run;
-- -1 when there is none. Running it twice answers -1 the second time.
local id, with_children = ARGV[3], ARGV[4] == "1"
local ALL = { "processed", "failed", "unsuccessful", "dependencies" }

local function any_locked(key, depth)
  if is_locked(key) then
    return true
  end
  if with_children and depth < MAX_DEPTH then
    for _, child in ipairs(children_of(key, { "dependencies" })) do
      if any_locked(child, depth + 1) then
        return true
      end
    end
  end
  return false
end

local function remove(queue, job, depth)
  local key = queue .. job
  if with_children and depth < MAX_DEPTH then
    for _, child in ipairs(children_of(key, ALL)) do
      local child_queue, child_id = split_job_key(child)
      if child_queue and not is_armed(child_queue, child_id) then
        remove(child_queue, child_id, depth + 1)
      end
    end
  end
  local state = take_out(queue, job)
  if erase(queue, job, false) then
    local events = read_meta(queue).events
    call("XADD", queue .. "events", "MAXLEN", "~", events, "*", "event", "removed", "jobId", job, "prev", state)
  end
end

if is_armed(base, id) then
  return -8
end
if any_locked(base .. id, 0) then
  return 0
end
local there = call("EXISTS", base .. id)
-- An id without a job goes too.
remove(base, id, 0)
return there == 1 and 1 or -1

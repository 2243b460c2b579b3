-- Removing jobs with everything that belongs to them, for the scripts that remove.
local SETS = { "completed", "waiting-children", "delayed", "failed", "prioritized" }
local LISTS = { "wait", "paused", "active" }
-- How deep a tree of children is followed.
local MAX_DEPTH = 64

-- True for the job that a scheduler has made for its next run; only the scheduler removes it.
local function is_armed(queue, id)
  local scheduler, at = string.match(id, "^repeat:(.*):(%d+)$")
  if not scheduler then
    return false
  end
  local score = call("ZSCORE", queue .. "repeat", scheduler)
  return score and tonumber(score) == tonumber(at)
end

local erase

-- Its parent must not wait for a job that goes. `hard`: a parent in the same queue that waits for nothing else goes too.
local function leave_parent(queue, key, parent_key, hard)
  if not hard then
    detach(key, parent_key)
    return
  end
  local parent_queue, id = split_job_key(parent_key)
  if not parent_queue or call("SREM", parent_key .. ":dependencies", key) == 0 then
    return
  end
  if call("SCARD", parent_key .. ":dependencies") == 0 and call("ZREM", parent_queue .. "waiting-children", id) == 1 then
    if parent_queue == queue then
      erase(queue, id, true)
    else
      call("RPUSH", parent_queue .. "wait", id)
      mark(parent_queue, read_meta(parent_queue))
    end
  end
end

-- Deletes a job's data, which the caller has taken out of its list or set. True if there was any.
erase = function(queue, id, hard)
  local key = queue .. id
  local found = redis.pcall("HMGET", key, "parentKey", "deid")
  if found.err then
    return false
  end
  if found[1] then
    leave_parent(queue, key, found[1], hard)
  end
  if found[2] and call("GET", queue .. "de:" .. found[2]) == id then
    call("DEL", queue .. "de:" .. found[2], queue .. "dn:" .. found[2])
  end
  local doomed = {}
  doom(doomed, key)
  return call("DEL", unpack(doomed)) > 0
end

-- Takes an id out of whichever list or set has it; answers which.
local function take_out(queue, id)
  for _, set in ipairs(SETS) do
    if call("ZREM", queue .. set, id) == 1 then
      return set
    end
  end
  for _, list in ipairs(LISTS) do
    if call("LREM", queue .. list, 0, id) > 0 then
      return list
    end
  end
  return "unknown"
end

-- The keys of a job's children, by the parts that name them.
local function children_of(key, parts)
  local children = {}
  for _, part in ipairs(parts) do
    local name = key .. ":" .. part
    local found
    if part == "dependencies" then
      found = call("SMEMBERS", name)
    elseif part == "unsuccessful" then
      found = call("ZRANGE", name, 0, -1)
    else
      found = call("HKEYS", name)
    end
    for _, child in ipairs(found) do
      children[#children + 1] = child
    end
  end
  return children
end

local function is_locked(key)
  return call("EXISTS", key .. ":lock") == 1
end

-- Groups of one queue take turns: by start-time fair queueing. Jobs that wait are moved from `wait` into `prioritized`
-- with a score below that of any priority, their tag: the group's last tag, or the time of the line, and a step by the
-- group's weight. So the smallest score is whose turn it is, also for BullMQ's own workers.
--
-- Keys of our own, in the queue's slot:
--   gristmill:BASE:groups     v the time of the line: the tag that was served last; t:GROUP a group's last tag
--   gristmill:BASE:group-of   id to group, of jobs that have a tag or are active
--   gristmill:BASE:group-rate:GROUP   what a group's rate limit has counted
local STEP, PRIORITY = 1000, 0x100000000
-- Jobs that get a tag in one call; that are looked at, several times, for one whose group may run; ms until more are.
local TAGGED, LOOKED_AT, WINDOWS, BLOCKED_WAIT = 512, 512, 7, 100
-- Beyond these, data are not read for a group, and groups' last tags are forgotten.
local MAX_DATA, MAX_GROUP, MAX_GROUPS = 65536, 256, 100000

local function groups_key()
  return "gristmill:" .. base .. "groups"
end

local function group_of_key()
  return "gristmill:" .. base .. "group-of"
end

-- What JSON text has at a pointer, as text; "" for nothing.
local function at_pointer(text, path)
  if not text or #text > MAX_DATA then
    return ""
  end
  local ok, value = pcall(cjson.decode, text)
  if not ok then
    return ""
  end
  for _, part in ipairs(path) do
    if type(value) ~= "table" then
      return ""
    end
    local found = value[part]
    if found == nil and string.find(part, "^%d+$") then
      found = value[tonumber(part) + 1]
    end
    value = found
  end
  if type(value) == "string" or type(value) == "number" then
    return string.sub(tostring(value), 1, MAX_GROUP)
  end
  return ""
end

local function tag_waiting(groups)
  local ids = call("LRANGE", base .. "wait", -TAGGED, -1)
  if #ids == 0 then
    return
  end
  local key = groups_key()
  local time = tonumber(call("HGET", key, "v") or "") or 0
  local last, tags, of = {}, {}, {}
  -- The list's end is next.
  for i = #ids, 1, -1 do
    local job = redis.pcall("HMGET", base .. ids[i], groups.field, "ats")
    local group = job.err and "" or at_pointer(job[1], groups.path)
    local tag
    if not job.err and (tonumber(job[2] or "") or 0) > 0 then
      -- It had its turn before, and was given back.
      tag = time
    else
      last[group] = last[group] or tonumber(call("HGET", key, "t:" .. group) or "") or 0
      tag = math.max(time, last[group]) + math.floor(STEP / (groups.weights[group] or 1))
      last[group] = tag
    end
    tags[#tags + 1] = math.min(tag, PRIORITY - 1)
    tags[#tags + 1] = ids[i]
    of[#of + 1] = ids[i]
    of[#of + 1] = group
  end
  call("ZADD", base .. "prioritized", unpack(tags))
  call("HSET", group_of_key(), unpack(of))
  call("LTRIM", base .. "wait", 0, -#ids - 1)
  if call("HLEN", key) > MAX_GROUPS then
    call("DEL", key)
    call("HSET", key, "v", time)
  end
  for group, tag in pairs(last) do
    call("HSET", key, "t:" .. group, tag)
  end
end

-- Answers whether a job of the group may start, and for how long not. Counts it, if it may.
local function group_gate(groups)
  local active, rates = {}, {}
  if groups.concurrency > 0 then
    local ids = call("LRANGE", base .. "active", 0, -1)
    for from = 1, #ids, 4000 do
      local of = call("HMGET", group_of_key(), unpack(ids, from, math.min(from + 3999, #ids)))
      for _, group in ipairs(of) do
        if group then
          active[group] = (active[group] or 0) + 1
        end
      end
    end
  end
  local at = server_time()
  return function(group)
    if groups.concurrency > 0 and (active[group] or 0) >= groups.concurrency then
      return false
    end
    if #groups.rate > 0 then
      rates[group] = rates[group] or load_limits({ {
        algorithm = "sliding-window", cost = 1, tiers = groups.rate,
        place = "gristmill:" .. base .. "group-rate:" .. group,
      } }, at)
      local granted, wait = limits_room(rates[group], 1, 1)
      if granted == 0 then
        return false, wait
      end
      charge_limits(rates[group], 1, true)
    end
    active[group] = (active[group] or 0) + 1
    return true
  end
end

-- Takes up to `count` ids, each of the group whose turn it is. Answers them, whether groups that may not run were passed
-- over, and, when the first of these may again by itself, after how long.
local function pop_groups(groups, count)
  tag_waiting(groups)
  local bounded = groups.concurrency > 0 or #groups.rate > 0
  local may = bounded and group_gate(groups)
  local ids, passed, soonest, time = {}, {}, nil, nil
  local windows = 0
  repeat
    local from, size = windows * LOOKED_AT, bounded and LOOKED_AT or count
    local found = call("ZRANGE", base .. "prioritized", from, from + size - 1, "WITHSCORES")
    local all = {}
    for i = 1, #found, 2 do
      all[#all + 1] = found[i]
    end
    local of = #all > 0 and call("HMGET", group_of_key(), unpack(all)) or {}
    for i, id in ipairs(all) do
      if #ids == count then
        break
      end
      local score = tonumber(found[2 * i])
      local allowed, wait = true, nil
      if may and score < PRIORITY then
        allowed, wait = may(of[i] or "")
      end
      if allowed then
        ids[#ids + 1] = id
        time = score < PRIORITY and score or time
      else
        passed[#passed + 1] = { score, id }
        soonest = wait and math.min(wait, soonest or wait) or soonest
      end
    end
    windows = windows + 1
  until #ids == count or #all < size or windows == WINDOWS
  if #ids > 0 then
    call("ZREM", base .. "prioritized", unpack(ids))
  elseif #passed == 0 and call("LLEN", base .. "active") == 0 then
    call("DEL", groups_key(), group_of_key())
  end
  if time and time > (tonumber(call("HGET", groups_key(), "v") or "") or 0) then
    call("HSET", groups_key(), "v", time)
  end
  if #passed < WINDOWS * LOOKED_AT then
    return ids, #passed > 0, soonest
  end
  -- Only jobs that may not run stand in front: they go back a step for each, so that others are seen next time.
  local moved = {}
  for i, entry in ipairs(passed) do
    moved[2 * i - 1] = math.min(entry[1] + #passed * STEP, PRIORITY - 1)
    moved[2 * i] = entry[2]
  end
  chunked("ZADD", base .. "prioritized", moved)
  return ids, true, BLOCKED_WAIT
end

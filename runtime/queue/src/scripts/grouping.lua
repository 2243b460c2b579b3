-- Groups of one queue take turns: by start-time fair queueing. Jobs that wait are moved from `wait` into `prioritized`
-- with a score below that of any priority, their tag: the group's last tag, or the time of the line, and a step by the
-- group's weight. So the smallest score is whose turn it is.
--
-- A job whose turn has come while its group may not run is parked: it gets a score behind all tags, and its group's list
-- knows its tag. Once the group may run again, its first parked job has its turn by that tag.
--
-- Keys of our own, in the queue's slot:
--   gristmill:BASE:groups        v the time of the line: the greatest tag that was served; t:GROUP a group's last tag;
--                                p how many jobs were parked
--   gristmill:BASE:group-of      id to group, of jobs that have a tag or are active
--   gristmill:BASE:group-rate:GROUP   what a group's rate limit has counted
--   gristmill:BASE:parked        groups with parked jobs, by the tag of the first of them
--   gristmill:BASE:parked:GROUP  ids of its parked jobs, by tag; one that is not in `prioritized` any more is none
-- Tags begin far below zero, so that they reach the parked jobs' scores never.
local FIRST_TAG, PRIORITY = -1099511627776, 0x100000000
-- Jobs that get a tag in one call; that are looked at; groups with parked jobs that are; ms until more are.
local TAGGED, LOOKED_AT, PARKED_GROUPS, BLOCKED_WAIT = 4096, 4096, 256, 100
-- Beyond these, data are not read for a group, and groups' last tags are forgotten.
local MAX_DATA, MAX_GROUP, MAX_GROUPS = 65536, 256, 100000

local function group_key(suffix)
  return "gristmill:" .. base .. suffix
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
  if type(value) == "number" then
    value = value == math.floor(value) and string.format("%.0f", value) or tostring(value)
  end
  return type(value) == "string" and string.sub(value, 1, MAX_GROUP) or ""
end

local function line_time()
  return tonumber(call("HGET", group_key("groups"), "v") or "") or FIRST_TAG
end

local function tag_waiting(groups)
  local ids = call("LRANGE", base .. "wait", -TAGGED, -1)
  if #ids == 0 then
    return
  end
  local key = group_key("groups")
  local time = line_time()
  local last, tags, of = {}, {}, {}
  -- The list's end is next.
  for i = #ids, 1, -1 do
    local job = redis.pcall("HMGET", base .. ids[i], groups.field, "ats", "atm")
    local group = job.err and "" or at_pointer(job[1], groups.path)
    local step = 1 / (groups.weights[group] or 1)
    local tag
    if not job.err and (tonumber(job[2] or "") or 0) > (tonumber(job[3] or "") or 0) then
      -- It had its turn before, and was given back: it is not behind the others of its group.
      tag = time + step
    else
      last[group] = last[group] or tonumber(call("HGET", key, "t:" .. group) or "") or FIRST_TAG
      tag = math.max(time, last[group]) + step
      last[group] = tag
    end
    tags[#tags + 1] = tag
    tags[#tags + 1] = ids[i]
    of[#of + 1] = ids[i]
    of[#of + 1] = group
  end
  chunked("ZADD", base .. "prioritized", tags)
  chunked("HSET", group_key("group-of"), of)
  call("LTRIM", base .. "wait", 0, -#ids - 1)
  if call("HLEN", key) > MAX_GROUPS then
    local parked = call("HGET", key, "p") or 0
    call("DEL", key)
    call("HSET", key, "v", time, "p", parked)
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
      local of = call("HMGET", group_key("group-of"), unpack(ids, from, math.min(from + 3999, #ids)))
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
        algorithm = "sliding-window", cost = 1, tiers = groups.rate, place = group_key("group-rate:" .. group),
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

local function park(id, group, tag)
  local number = call("HINCRBY", group_key("groups"), "p", 1)
  call("ZADD", base .. "prioritized", math.min(number, PRIORITY - 1), id)
  call("ZADD", group_key("parked:" .. group), tag, id)
  call("ZADD", group_key("parked"), "LT", tag, group)
end

-- The first parked job of a group that is still there, and its tag. Groups without one are forgotten.
local function first_parked(group)
  local key = group_key("parked:" .. group)
  repeat
    local found = call("ZRANGE", key, 0, 0, "WITHSCORES")
    if #found == 0 then
      call("ZREM", group_key("parked"), group)
      return
    end
    local score = tonumber(call("ZSCORE", base .. "prioritized", found[1]) or "")
    if score and score >= 0 and score < PRIORITY then
      return found[1], tonumber(found[2])
    end
    call("ZREM", key, found[1])
  until false
end

local function unpark(id, group)
  call("ZREM", group_key("parked:" .. group), id)
  local next_id, tag = first_parked(group)
  if next_id then
    call("ZADD", group_key("parked"), tag, group)
  end
  return next_id, tag
end

-- Takes up to `count` ids, each of the group whose turn it is. Answers them, whether jobs wait that may not run, and, when
-- it is worth looking again without being told, after how long.
local function pop_groups(groups, count)
  tag_waiting(groups)
  local bounded = groups.concurrency > 0 or #groups.rate > 0
  local prioritized = base .. "prioritized"
  if not bounded then
    local found = call("ZPOPMIN", prioritized, count)
    local ids, time = {}, nil
    for i = 1, #found, 2 do
      ids[#ids + 1] = found[i]
      local score = tonumber(found[i + 1])
      time = score < 0 and score or time
    end
    if time and time > line_time() then
      call("HSET", group_key("groups"), "v", time)
    end
    if #ids == 0 and call("LLEN", base .. "active") == 0 then
      call("DEL", group_key("groups"), group_key("group-of"))
    end
    return ids, false
  end

  local may = group_gate(groups)
  local ids, soonest, looked, time, blocked = {}, nil, 0, nil, {}
  -- The first parked job of each group that may run, as far as is known.
  local heads = {}
  for _, group in ipairs(call("ZRANGE", group_key("parked"), 0, PARKED_GROUPS - 1)) do
    local id, tag = first_parked(group)
    heads[group] = id and { id = id, tag = tag }
  end
  local function next_parked()
    local best, best_group
    for group, head in pairs(heads) do
      if not best or head.tag < best.tag then
        best, best_group = head, group
      end
    end
    return best, best_group
  end
  local function ask(group)
    if blocked[group] then
      return false
    end
    local allowed, wait = may(group)
    if not allowed then
      blocked[group] = true
      heads[group] = nil
      soonest = wait and math.min(wait, soonest or wait) or soonest
    end
    return allowed
  end
  while #ids < count and looked < LOOKED_AT do
    local found = call("ZRANGE", prioritized, 0, 0, "WITHSCORES")
    local id, score = found[1], tonumber(found[2] or "")
    local tagged = id and score < 0
    local parked, parked_group = next_parked()
    if parked and (not tagged or parked.tag <= score) then
      if ask(parked_group) then
        call("ZREM", prioritized, parked.id)
        ids[#ids + 1] = parked.id
        time = math.max(time or parked.tag, parked.tag)
        local next_id, next_tag = unpark(parked.id, parked_group)
        heads[parked_group] = next_id and { id = next_id, tag = next_tag }
      end
    elseif tagged then
      local group = call("HGET", group_key("group-of"), id) or ""
      if ask(group) then
        call("ZREM", prioritized, id)
        ids[#ids + 1] = id
        time = math.max(time or score, score)
      else
        park(id, group, score)
      end
    else
      break
    end
    looked = looked + 1
  end
  -- Jobs with a priority of their own come after all groups.
  while #ids < count and looked < LOOKED_AT do
    local found = call("ZRANGEBYSCORE", prioritized, PRIORITY, "+inf", "LIMIT", 0, count - #ids)
    if #found == 0 then
      break
    end
    call("ZREM", prioritized, unpack(found))
    for _, id in ipairs(found) do
      ids[#ids + 1] = id
    end
  end
  if time and time > line_time() then
    call("HSET", group_key("groups"), "v", time)
  end
  if #ids == 0 and call("ZCARD", prioritized) == 0 and call("LLEN", base .. "active") == 0 then
    call("DEL", group_key("groups"), group_key("group-of"), group_key("parked"))
  end
  if looked == LOOKED_AT or (#ids < count and call("LLEN", base .. "wait") > 0) then
    soonest = math.min(soonest or BLOCKED_WAIT, BLOCKED_WAIT)
  end
  return ids, #ids < count and call("ZCARD", prioritized) > 0, soonest
end

-- Removes old jobs of one state. ARGV: 3 completed | failed | waiting-children | delayed | prioritized | wait | paused |
--   active, 4 only those from before this ms, 5 at most so many, 6 where in a list to go on.
-- Returns the removed ids and where to go on, -1 at the end. Running it twice goes on where it ended.
local state, cutoff, limit, from = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
-- Entries looked at in one call.
local PAGE = 2000
local key = base .. state
local removed = {}
local by_score = state == "completed" or state == "failed" or state == "waiting-children"
local is_list = state == "wait" or state == "paused" or state == "active"

local function age_of(id, ...)
  local found = redis.pcall("HMGET", base .. id, ...)
  if found.err then
    return nil
  end
  for i = 1, select("#", ...) do
    if found[i] then
      return tonumber(found[i])
    end
  end
  return 0
end

local ids
if by_score then
  ids = call("ZRANGEBYSCORE", key, "-inf", cutoff, "LIMIT", from, PAGE)
elseif is_list then
  -- From the end, where the oldest are.
  ids = call("LRANGE", key, -(from + PAGE), -(from + 1))
else
  ids = call("ZRANGE", key, from, from + PAGE - 1)
end
local seen = #ids
local kept, looked = 0, 0
for i = 1, seen do
  if #removed >= limit then
    break
  end
  looked = i
  local id = is_list and ids[seen + 1 - i] or ids[i]
  local old = by_score
  if state == "delayed" then
    old = (age_of(id, "processedOn", "timestamp") or 0) <= cutoff
  elseif state == "prioritized" then
    old = (age_of(id, "timestamp") or 0) <= cutoff
  elseif is_list then
    old = (age_of(id, "finishedOn", "processedOn", "timestamp") or 0) <= cutoff
  end
  if state == "active" and is_locked(base .. id) then
    old = false
  end
  if not old or is_armed(base, id) then
    kept = kept + 1
  else
    if is_list then
      call("LREM", key, -1, id)
    else
      call("ZREM", key, id)
    end
    erase(base, id, true)
    removed[#removed + 1] = id
  end
end
return { removed, (seen == PAGE or looked < seen) and from + kept or -1 }

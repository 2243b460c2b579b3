-- One step on a job type's state. ARGV: 3 the job type, 4 key, 5 step, 6 value or delta, 7 ttl ms or "",
--   8 expected 0|1, 9 the expected value, 10 keys that the job type may have.
-- Values are strings `gristmill:BASEstate:…`; a sorted set of the job type's keys, with the times when they are
-- forgotten, bounds their number.
-- Returns a code (1 changed, 0 not changed, -1 too many keys, -2 not a whole number) and, of `increment`, the sum.
-- Running it twice: `increment` adds twice, `compare-and-set` answers 0 the second time, the others do the same again.
local job_type, name, step, value, ttl = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local key = "gristmill:" .. base .. "state:" .. #job_type .. ":" .. job_type .. ":" .. name
local index = "gristmill:" .. base .. "state-keys:" .. job_type

local function may_exist()
  if call("ZSCORE", index, name) then
    return true
  end
  call("ZREMRANGEBYSCORE", index, "-inf", now)
  return call("ZCARD", index) < tonumber(ARGV[10])
end

local function store(new)
  if ttl == "" then
    call("SET", key, new)
    call("ZADD", index, "+inf", name)
  else
    call("SET", key, new, "PX", ttl)
    call("ZADD", index, now + tonumber(ttl), name)
  end
end

if step == "delete" then
  call("ZREM", index, name)
  return { call("DEL", key) }
end

local present = call("GET", key)
if step == "compare-and-set" then
  local expected = ARGV[8] == "1" and ARGV[9]
  if present ~= expected then
    return { 0 }
  end
end
if not present and not may_exist() then
  return { -1 }
end
if step == "increment" then
  if not present then
    store("0")
  end
  local sum = redis.pcall("INCRBY", key, value)
  if type(sum) == "table" then
    return { -2 }
  end
  -- As text: Lua's numbers end at 2^53.
  return { 1, call("GET", key) }
end
store(value)
return { 1 }

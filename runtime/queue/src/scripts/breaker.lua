-- One step of a circuit breaker.
--
-- ARGV: 3 server's time in ms or "" for its own, 4 the breaker as JSON, 5 enter | success | failure | ignore | reset,
--   6 epoch of the call that ended.
-- Returns: 1 go on or 0 not, ms to wait, epoch, state now, state before.
-- Run twice, an entry takes two probes and an end counts twice: it opens or closes that much sooner.
local at = tonumber(ARGV[3]) or server_time()
local spec = cjson.decode(ARGV[4])
local step = ARGV[5]
local key = breaker_key(spec)
local breaker = load_breaker(spec, at)
local before = breaker.state

local function go(state)
  breaker.state, breaker.epoch = state, breaker.epoch + 1
  breaker.row, breaker.calls, breaker.failures, breaker.last_calls, breaker.last_failures = 0, 0, 0, 0, 0
  breaker.probes, breaker.passed = 0, 0
  if state ~= "closed" then
    breaker["until"] = at + spec.open_for
  end
  if state == "open" then
    breaker.opened = breaker.opened + 1
  end
end

local function save()
  local fields = {}
  for i, field in ipairs(FIELDS) do
    fields[2 * i - 1], fields[2 * i] = field, breaker[field]
  end
  call("HSET", key, unpack(fields))
  call("PEXPIRE", key, math.ceil(2 * (spec.window + spec.open_for)))
end

local function enter()
  local room, wait = breaker_room(breaker)
  if not room then
    return { 1, 0, breaker.epoch, breaker.state, before }
  end
  if room == 0 then
    return { 0, math.ceil(wait), breaker.epoch, breaker.state, before }
  end
  if breaker.state == "open" then
    go("half-open")
  elseif breaker["until"] <= at then
    -- Those that were let through may be gone with their worker; if they are not, their end still counts.
    breaker.probes, breaker["until"] = 0, at + spec.open_for
  end
  breaker.probes = breaker.probes + 1
  save()
  return { 1, 0, breaker.epoch, breaker.state, before }
end

local function too_many()
  local calls = breaker.calls + breaker.last_calls
  local failures = breaker.failures + breaker.last_failures
  return (spec.consecutive > 0 and breaker.row >= spec.consecutive)
    or (calls >= spec.min_calls and failures * 100 >= spec.failure_rate * calls)
end

local function ended()
  if tonumber(ARGV[6]) ~= breaker.epoch then
    return
  end
  if breaker.state == "half-open" then
    if step == "success" then
      breaker.passed = breaker.passed + 1
      if breaker.passed >= spec.probes then
        go("closed")
      end
    elseif step == "failure" then
      go("open")
    else
      breaker.probes = math.max(0, breaker.probes - 1)
    end
  elseif breaker.state == "closed" and step ~= "ignore" then
    local failed = step == "failure"
    breaker.row = failed and breaker.row + 1 or 0
    breaker.calls = breaker.calls + 1
    breaker.failures = breaker.failures + (failed and 1 or 0)
    if failed and too_many() then
      go("open")
    end
  else
    return
  end
  save()
end

if step == "enter" then
  return enter()
elseif step == "reset" then
  if before ~= "closed" then
    go("closed")
    save()
  end
else
  ended()
end
return { 1, 0, breaker.epoch, breaker.state, before }

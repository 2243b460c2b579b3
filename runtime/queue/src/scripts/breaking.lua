-- Circuit breakers. Each key of a breaker has one hash:
--   state     open | half-open; without it, or without the hash, closed
--   until     when an open one lets probes through; when probes of a half-open one count as gone
--   epoch     changes with the state: the end of a call that began in another epoch says nothing
--   row       failures one after another
--   slice, calls, failures, last_calls, last_failures   of this half of the window and of the one before
--   probes, passed   let through, and ended well, since it is half-open
--   opened    times that it opened
local FIELDS = {
  "state", "until", "epoch", "row", "slice", "calls", "failures", "last_calls", "last_failures", "probes", "passed",
  "opened",
}

local function breaker_key(spec)
  return "gristmill:breaker:{" .. spec.name .. "}:k:" .. spec.key
end

local function load_breaker(spec, at)
  local found = call("HMGET", breaker_key(spec), unpack(FIELDS))
  local breaker = { spec = spec, at = at, state = found[1] or "closed" }
  for i = 2, #FIELDS do
    breaker[FIELDS[i]] = tonumber(found[i] or "") or 0
  end
  local slice = math.floor(at / (spec.window / 2))
  if slice ~= breaker.slice then
    local before = slice == breaker.slice + 1
    breaker.last_calls = before and breaker.calls or 0
    breaker.last_failures = before and breaker.failures or 0
    breaker.slice, breaker.calls, breaker.failures = slice, 0, 0
  end
  return breaker
end

-- Probes that may pass now: nil without a bound; and, for 0, how long to wait.
local function breaker_room(breaker)
  if breaker.state == "closed" then
    return nil, 0
  end
  local left = breaker["until"] - breaker.at
  if breaker.state == "open" and left > 0 then
    return 0, left
  end
  -- Probes that never ended, because their worker is gone, are not waited for beyond that time.
  if breaker.state == "open" or left <= 0 then
    return breaker.spec.probes, 0
  end
  return math.max(0, breaker.spec.probes - breaker.probes), math.min(left, 1000)
end

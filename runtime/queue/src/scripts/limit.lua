-- Charges limiters once, all or none.
--
-- ARGV: 3 server's time in ms or "" for its own, 4 limiters as JSON, 5 line: 0 none, 1 a job that comes for the first
--   time, 2 one that was sent away before.
-- Returns: 1 charged, 0 refused, -1 too many keys; ms to wait; number of the limiter that refused; its tier's window.
-- Run twice, it charges twice: a unit is lost, none is gained.
--
-- The lines keep the order of jobs that are sent away. Each gets a time of its own, one after another as fast as the tier
-- that refused last allows; those that come again and find no room line up at the front, those that come first behind all.
local PACE, IDLE = 1.03, 1000
local at = tonumber(ARGV[3]) or server_time()
local specs = cjson.decode(ARGV[4])
local line = tonumber(ARGV[5])

local all = load_limits(specs, at)
for i, loaded in ipairs(all) do
  local spec = loaded.spec
  if spec.key ~= "" and not count_key(spec, at, loaded.known) then
    refuse_limit(loaded, spec.tiers[2])
    return { -1, spec.tiers[#spec.tiers], i, 0 }
  end
end

-- A little slower than the limit, which a sliding window does not reach quite: else some would always come too soon.
local function step_of(tier, cost)
  return tier.window * cost / tier.limit * PACE
end

local granted, wait, which, window = limits_room(all, 1, 1)
if line > 0 then
  for _, loaded in ipairs(all) do
    local slowest = 0
    for _, tier in ipairs(loaded.tiers) do
      slowest = math.max(slowest, step_of(tier, loaded.spec.cost))
    end
    -- Nobody of the line has come who should have: they are gone. Or the limit is another: they come when they were told.
    if loaded.at > loaded.alive + 2 * slowest + IDLE or loaded.slowest ~= slowest then
      loaded.front, loaded.tail, loaded.alive, loaded.slowest, loaded.step = 0, 0, 0, slowest, 0
    end
    if line == 2 then
      loaded.alive = math.max(loaded.alive, loaded.at)
    end
  end
end
if line == 1 then
  for i, loaded in ipairs(all) do
    local queued = math.max(loaded.front, loaded.tail) - loaded.at
    if queued > wait then
      wait, which, window = queued, i, 0
    end
  end
end
if granted >= 1 and which == 0 then
  charge_limits(all, 1)
  return { 1, 0, 0, 0 }
end

local loaded = all[which]
for _, tier in ipairs(loaded.tiers) do
  if line > 0 and (tier.window == window or (window == 0 and loaded.step == 0)) then
    -- Where the line alone refuses, its pace stays; a tier that has room does not slow it.
    loaded.step = step_of(tier, loaded.spec.cost)
    break
  end
end
if window == 0 then
  window = loaded.tiers[1].window
end
if line > 0 then
  local step = loaded.step
  local soonest = loaded.at + wait
  if line == 1 then
    if math.max(loaded.front, loaded.tail) <= loaded.at then
      loaded.alive = soonest
    end
    loaded.tail = math.max(soonest, loaded.tail + step)
    wait = loaded.tail - loaded.at
  else
    loaded.front = math.max(soonest, loaded.front + step)
    wait = loaded.front - loaded.at
  end
  save_limit(loaded)
end
refuse_limit(loaded, window)
return { 0, math.ceil(wait), which, window }

-- Limiters. Each key of a limiter has one string, that of `cmsgpack`: the time of the last change, two times of the
-- lines of waiting jobs, the last time that somebody of them came or is to come, how far apart the slowest tier would
-- have them come and how far apart they are told to come, and for each tier its window and what the algorithm counts. Times are the server's, in ms.
--   sliding-window  until, units, until, units …: units and when they no longer count, relative to the last change
--   token-bucket    tokens, with their fraction, at the last change
--   fixed-window    number of the window, units
-- A charge of `n` times `cost` goes to every tier of every limiter, or to none.
local SLICES = 64
-- Statistics are kept in slices of ten minutes, for a day.
local STATS_SLICE, STATS_LIFE = 600000, 88200000

local function server_time()
  local time = call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local rules = { ["sliding-window"] = {}, ["token-bucket"] = {}, ["fixed-window"] = {} }
local sliding, bucket, fixed = rules["sliding-window"], rules["token-bucket"], rules["fixed-window"]

function sliding.fresh()
  return {}
end

-- Leaves out what no longer counts.
function sliding.advance(data, passed)
  local kept = {}
  for i = 1, #data, 2 do
    if data[i] > passed then
      kept[#kept + 1] = data[i] - passed
      kept[#kept + 1] = data[i + 1]
    end
  end
  return kept
end

function sliding.used(data)
  local used = 0
  for i = 2, #data, 2 do
    used = used + data[i]
  end
  return used
end

function sliding.wait(data, limit, _, _, units)
  local need = sliding.used(data) + units - limit
  for i = 1, #data, 2 do
    need = need - data[i + 1]
    if need <= 0 then
      return data[i]
    end
  end
end

local function leaves_at(limit, window, at)
  local slice = limit <= SLICES and 1 or math.ceil(window / SLICES)
  return (math.floor(at / slice) + 1) * slice + window
end

function sliding.charge(data, limit, window, at, units)
  local leaves = leaves_at(limit, window, at) - at
  -- Later than ours only after the limit was changed; then ours leaves with it, so that the times stay in order.
  if (data[#data - 1] or 0) >= leaves then
    data[#data] = data[#data] + units
  else
    data[#data + 1] = leaves
    data[#data + 1] = units
  end
end

function sliding.life(data)
  return data[#data - 1] or 0
end

function bucket.fresh(limit)
  return { limit }
end

function bucket.advance(data, passed, limit, window)
  return { math.min(limit, data[1] + passed * limit / window) }
end

-- Whole units; what the fraction lacks to one counts as used.
function bucket.used(data, limit)
  return math.max(0, limit - math.floor(data[1] + 1e-6))
end

function bucket.wait(data, limit, window, _, units)
  return math.ceil((units - data[1] - 1e-6) * window / limit)
end

function bucket.charge(data, _, _, _, units)
  data[1] = data[1] - units
end

function bucket.life(data, limit, window)
  return math.ceil((limit - data[1]) * window / limit)
end

function fixed.fresh(_, window, at)
  return { math.floor(at / window), 0 }
end

function fixed.advance(data, _, limit, window, at)
  return math.floor(at / window) == data[1] and data or fixed.fresh(limit, window, at)
end

function fixed.used(data)
  return data[2]
end

function fixed.wait(_, _, window, at)
  return window - at % window
end

function fixed.charge(data, _, _, _, units)
  data[2] = data[2] + units
end

function fixed.life(_, _, window, at)
  return window - at % window
end

local function limiter_key(name, suffix)
  return "gristmill:limiter:{" .. name .. "}:" .. suffix
end

-- Reads what is known under a key. A tier is known by its window, so changed limits take up what was counted.
local function load_limit(spec, at)
  local loaded = { spec = spec, rule = rules[spec.algorithm], key = spec.place or limiter_key(spec.name, "k:" .. spec.key) }
  local text = call("GET", loaded.key)
  local ok, state = pcall(cmsgpack.unpack, text or "")
  if not text or not ok or type(state) ~= "table" or state[1] ~= spec.algorithm then
    state = { spec.algorithm, at, 0, 0, 0, 0, 0 }
  end
  loaded.known = text ~= false
  -- A server whose clock is set back goes on where it was, but not for longer than the longest window.
  if at < state[2] and state[2] - at <= spec.tiers[#spec.tiers] then
    at = state[2]
  end
  loaded.at, loaded.front, loaded.tail, loaded.alive = at, state[3], state[4], state[5]
  loaded.slowest, loaded.step = state[6], state[7]
  local passed = at - state[2]
  loaded.tiers = {}
  for i = 1, #spec.tiers, 2 do
    local limit, window = spec.tiers[i], spec.tiers[i + 1]
    local data
    for j = 8, #state, 2 do
      if state[j] == window then
        data = passed < 0 and loaded.rule.fresh(limit, window, at)
          or loaded.rule.advance(state[j + 1], passed, limit, window, at)
      end
    end
    data = data or loaded.rule.fresh(limit, window, at)
    loaded.tiers[#loaded.tiers + 1] = { limit = limit, window = window, data = data }
  end
  return loaded
end

-- Keys of a limiter are counted, about, in two turns of time: one that is idle for a turn is forgotten.
local function keys_of(spec, at)
  local turn = math.max(spec.tiers[#spec.tiers], 60000)
  local number = math.floor(at / turn)
  local key = function(n) return limiter_key(spec.name, "keys:" .. string.format("%d", n)) end
  return key(number), key(number - 1), turn
end

-- Counts a key; false if the limiter has as many as it may without it. One that is `known` has its place: merging the
-- counts takes longer than all else of a charge.
local function count_key(spec, at, known)
  local now, before, turn = keys_of(spec, at)
  local full = not known and call("PFCOUNT", now, before) >= spec.max_keys and (call("GET", now) or "")
  if call("PFADD", now, spec.key) == 1 then
    if full and call("PFCOUNT", now, before) > spec.max_keys then
      if full == "" then
        call("DEL", now)
      else
        call("SET", now, full, "KEEPTTL")
      end
      return false
    end
    call("PEXPIRE", now, 2 * turn)
  end
  return true
end

local function load_limits(specs, at)
  local all = {}
  for i, spec in ipairs(specs) do
    all[i] = load_limit(spec, at)
  end
  return all
end

local function save_limit(loaded)
  local state = { loaded.spec.algorithm, loaded.at, loaded.front, loaded.tail, loaded.alive, loaded.slowest, loaded.step }
  local life = math.max(loaded.front, loaded.tail) - loaded.at
  for _, tier in ipairs(loaded.tiers) do
    state[#state + 1] = tier.window
    state[#state + 1] = tier.data
    life = math.max(life, loaded.rule.life(tier.data, tier.limit, tier.window, loaded.at))
  end
  call("SET", loaded.key, cmsgpack.pack(state), "PX", math.max(1, math.floor(life)))
end

local function count_stats(spec, at, field, count)
  local key = limiter_key(spec.name, "stats:" .. math.floor(at / STATS_SLICE))
  if call("HINCRBY", key, field, count) == count then
    call("PEXPIRE", key, STATS_LIFE)
  end
end

-- How many charges, up to `want`, have room; and when it is fewer than `least`, how long until that many have, with the
-- limiter and the tier that say so.
local function limits_room(all, want, least)
  local granted, wait, which, tier_window = want, 0, 0, 0
  for i, loaded in ipairs(all) do
    local cost = loaded.spec.cost
    for _, tier in ipairs(loaded.tiers) do
      local room = tier.limit - loaded.rule.used(tier.data, tier.limit)
      granted = math.max(0, math.min(granted, math.floor(room / cost)))
      if room < least * cost then
        -- More than the limit never has room; it waits for all that there is.
        local units = math.min(least * cost, tier.limit)
        local longer = loaded.rule.wait(tier.data, tier.limit, tier.window, loaded.at, units) or tier.window
        if longer > wait then
          wait, which, tier_window = longer, i, tier.window
        end
      end
    end
  end
  return granted, wait, which, tier_window
end

local function charge_limits(all, times, uncounted)
  for _, loaded in ipairs(all) do
    local units = times * loaded.spec.cost
    for _, tier in ipairs(loaded.tiers) do
      loaded.rule.charge(tier.data, tier.limit, tier.window, loaded.at, units)
    end
    save_limit(loaded)
    if not uncounted then
      count_stats(loaded.spec, loaded.at, "allowed", units)
    end
  end
end

local function refuse_limit(loaded, window)
  count_stats(loaded.spec, loaded.at, "refused:" .. string.format("%d", window), 1)
end

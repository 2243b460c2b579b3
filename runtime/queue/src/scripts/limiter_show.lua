-- What a limiter has counted under one key.
--
-- ARGV: 3 server's time in ms or "" for its own, 4 the limiter as JSON.
-- Returns: the time, units used of each tier, and for each slice of the last day, oldest first, its start and its
--   fields and counts, and about how many keys are in use.
local at = tonumber(ARGV[3]) or server_time()
local spec = cjson.decode(ARGV[4])
local loaded = load_limit(spec, at)
local used, slices = {}, {}
for i, tier in ipairs(loaded.tiers) do
  used[i] = loaded.rule.used(tier.data, tier.limit)
end
local last = math.floor(at / STATS_SLICE)
for slice = last - 143, last do
  local found = call("HGETALL", limiter_key(spec.name, "stats:" .. slice))
  if #found > 0 then
    slices[#slices + 1] = { slice * STATS_SLICE, found }
  end
end
local now, before = keys_of(spec, at)
return { at, used, slices, call("PFCOUNT", now, before) }

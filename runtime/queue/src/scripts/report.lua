-- Writes what running jobs report. ARGV from 3: for each report id, log lines kept or -1, number of progress values,
-- number of lines, then the values and the lines. Returns how many jobs were gone.
-- Running it twice repeats lines and events: when an answer is lost, a line twice is better than a line lost.
local meta = read_meta(base)
local at, gone = 3, 0
while at <= #ARGV do
  local id, keep = ARGV[at], tonumber(ARGV[at + 1])
  local values, lines = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local key = base .. id
  at = at + 4
  if call("EXISTS", key) == 1 then
    for i = at, at + values - 1 do
      call("HSET", key, "progress", ARGV[i])
      call("XADD", base .. "events", "MAXLEN", "~", meta.events, "*", "event", "progress", "jobId", id, "data", ARGV[i])
    end
    if lines > 0 then
      for from = at + values, at + values + lines - 1, 4000 do
        call("RPUSH", key .. ":logs", unpack(ARGV, from, math.min(from + 3999, at + values + lines - 1)))
      end
      if keep >= 0 then
        call("LTRIM", key .. ":logs", -keep, -1)
      end
    end
  else
    gone = gone + 1
  end
  at = at + values + lines
end
return gone

-- Adds jobs. ARGV from 3: for each job custom id or "", name, data, opts, timestamp, delay, priority, lifo 0|1.
-- Returns their ids. A custom id that exists adds nothing and answers that id.
-- Running it twice adds jobs without a custom id twice.
local STRIDE = 8
local meta = read_meta(base)
local ids, delayed = {}, false
for at = 3, #ARGV, STRIDE do
  local counter = call("INCR", base .. "id")
  local id = ARGV[at] ~= "" and ARGV[at] or tostring(counter)
  local key = base .. id
  if call("EXISTS", key) == 1 then
    call("XADD", base .. "events", "MAXLEN", "~", meta.events, "*", "event", "duplicated", "jobId", id)
  else
    local timestamp, delay, priority = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
    call(
      "HSET", key, "name", ARGV[at + 1], "data", ARGV[at + 2], "opts", ARGV[at + 3],
      "timestamp", ARGV[at + 4], "delay", ARGV[at + 5], "priority", ARGV[at + 6]
    )
    event(base, "added", "jobId", id, "name", ARGV[at + 1])
    if delay > 0 then
      local due = timestamp + delay
      call("ZADD", base .. "delayed", delayed_score(base, due), id)
      call("XADD", base .. "events", "MAXLEN", "~", meta.events, "*", "event", "delayed", "jobId", id, "delay", due)
      delayed = true
    else
      enqueue(base, id, priority, ARGV[at + 7] == "1")
      call("XADD", base .. "events", "MAXLEN", "~", meta.events, "*", "event", "waiting", "jobId", id)
    end
  end
  ids[#ids + 1] = id
end
mark(base, meta)
if delayed then
  mark_delayed(base)
end
return ids

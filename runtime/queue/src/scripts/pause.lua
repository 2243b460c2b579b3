-- Pauses or resumes a queue. ARGV: 3 pause 0|1.
-- Returns how many jobs are left in version 5's own list of a paused queue: call again until it is 0.
-- Running it twice changes nothing more but tells `paused` or `resumed` again.
local meta_key, marker, old = base .. "meta", base .. "marker", base .. "paused"
if ARGV[3] == "1" then
  call("HSET", meta_key, "paused", 1)
  call("DEL", marker)
  call("XADD", base .. "events", "*", "event", "paused")
  return 0
end
local was_paused = call("HDEL", meta_key, "paused") == 1
local jobs = call("LRANGE", old, -4000, -1)
if #jobs > 0 then
  call("RPUSH", base .. "wait", unpack(jobs))
  call("LTRIM", old, 0, -(#jobs + 1))
end
if call("LLEN", base .. "wait") + call("ZCARD", base .. "prioritized") > 0 then
  mark(base, read_meta(base))
else
  mark_delayed(base)
end
local left = call("LLEN", old)
if was_paused or #jobs == 0 then
  call("XADD", base .. "events", "*", "event", "resumed")
end
return left

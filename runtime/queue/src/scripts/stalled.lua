-- Puts jobs back whose worker is gone: those that were active at the last check and have no lock now.
-- ARGV: 3 interval ms, 4 how often a job may stall. Returns {ids put back, ids that stalled too often}, or nothing
-- when another worker has checked within the interval. Running it twice is what the interval key prevents.
local interval, allowed = ARGV[3], tonumber(ARGV[4])
if not call("SET", base .. "stalled-check", now, "PX", interval, "NX") then
  return false
end
local meta = read_meta(base)
call("XTRIM", base .. "events", "MAXLEN", "~", meta.events)
local active, stalled = base .. "active", base .. "stalled"
local back, exceeded = {}, {}
local suspects = call("SMEMBERS", stalled)
call("DEL", stalled)
for _, id in ipairs(suspects) do
  local key = base .. id
  if call("EXISTS", key .. ":lock") == 0 and call("LREM", active, 1, id) == 1 then
    local name = redis.pcall("HGET", key, "name")
    -- An id without a job is dropped here; nothing could run it.
    if type(name) == "string" then
      local times = call("HINCRBY", key, "stc", 1)
      local scheduler = call("HGET", key, "rjk")
      local exempt = scheduler
        and (call("EXISTS", base .. "repeat:" .. scheduler) == 1 or call("ZSCORE", base .. "repeat", scheduler))
      if times > allowed and not exempt then
        call("HSET", key, "defa", "job stalled more than allowable limit")
        exceeded[#exceeded + 1] = id
      else
        back[#back + 1] = id
      end
      call("RPUSH", base .. "wait", id)
      mark(base, meta)
      event(base, "waiting", "jobId", id, "prev", "active")
      event(base, "stalled", "jobId", id)
    end
  end
end
-- Version 5 keeps a paused queue's jobs in a list of its own; once it is resumed they belong to `wait`.
if not meta.paused and call("EXISTS", base .. "paused") == 1 then
  local old = call("LRANGE", base .. "paused", -4000, -1)
  if #old > 0 then
    call("RPUSH", base .. "wait", unpack(old))
    call("LTRIM", base .. "paused", 0, -(#old + 1))
    mark(base, meta)
  end
end
chunked("SADD", stalled, call("LRANGE", active, 0, -1))
return { back, exceeded }

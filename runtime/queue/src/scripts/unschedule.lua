-- Removes a job scheduler and its next job, unless that waits or runs already. ARGV: 3 id.
-- Returns 1 when there was one. Running it twice answers 0.
local id = ARGV[3]
local previous = call("ZSCORE", base .. "repeat", id)
if previous then
  local job = "repeat:" .. id .. ":" .. number_text(tonumber(previous))
  if call("ZREM", base .. "delayed", job) == 1 then
    erase(base, job, true)
    event(base, "removed", "jobId", job, "prev", "delayed")
  end
end
local gone = call("ZREM", base .. "repeat", id)
call("DEL", base .. "repeat:" .. id)
return gone

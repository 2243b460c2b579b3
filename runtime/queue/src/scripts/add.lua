-- Adds jobs, in their order; with `flow`, one tree, parents before their children, all or none of it.
-- ARGV: 3 flow 0|1, then sixteen values a job: base key of its queue, custom id or "", name, data, opts, timestamp,
--   delay, priority, lifo 0|1, waits for children 0|1, parent key or "", parent as JSON or "",
--   deduplication id or "", its ttl ms, its flags (of `e`xtend, `r`eplace, `k`eep, re`s`chedule), scheduler id or "".
-- Returns for each its id, or the negative code that kept it from being added.
-- Running it twice adds jobs without a custom or deduplication id twice.
local STRIDE = 16
local flow = ARGV[3] == "1"
local answers, parents = {}, {}
for at = 4, #ARGV, STRIDE do
  local queue, flags = ARGV[at], ARGV[at + 14]
  local job = {
    id = ARGV[at + 1], name = ARGV[at + 2], data = ARGV[at + 3], opts = ARGV[at + 4], timestamp = ARGV[at + 5],
    delay = ARGV[at + 6], priority = ARGV[at + 7], front = ARGV[at + 8] == "1", waits = ARGV[at + 9] == "1",
    parent_key = ARGV[at + 10], parent = ARGV[at + 11], scheduler = ARGV[at + 15],
  }
  if ARGV[at + 12] ~= "" then
    job.once = {
      id = ARGV[at + 12], ttl = ARGV[at + 13], extend = string.find(flags, "e") ~= nil,
      replace = string.find(flags, "r") ~= nil, keep = string.find(flags, "k") ~= nil,
      reschedule = string.find(flags, "s") ~= nil,
    }
  end
  local answer = add_job(queue, job, flow)
  answers[#answers + 1] = answer
  if job.waits and type(answer) == "string" then
    parents[#parents + 1] = { queue, answer }
  end
end
for _, parent in ipairs(parents) do
  -- All its children may have been there already, and completed.
  local key = parent[1] .. parent[2]
  if call("HDEL", key, "flowAttachmentFailed") == 0 then
    release_if_no_child_pends(parent[1], parent[2])
  end
end
mark_touched()
return answers

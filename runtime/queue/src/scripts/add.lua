-- Adds jobs, in their order. ARGV: 3 how: `each` on its own, `all` or none of them, or as one `flow`, a tree with
--   parents before their children, of which all or none is added. Then fifteen values a job: base key of its queue,
--   custom id or "", name, data, opts, timestamp, delay, priority, lifo 0|1, waits for children 0|1, parent key or "",
--   parent as JSON or "", deduplication id or "", its ttl ms, its flags (of `e`xtend, `r`eplace, `k`eep, re`s`chedule).
-- Returns for each its id, or in a list the id of the job that stands for it, or the negative code that kept it from
--   being added; of `all`, codes say that nothing was added.
-- Running it twice adds jobs without a custom or deduplication id twice.
local STRIDE = 15
local how = ARGV[3]

local function job_at(at)
  local flags = ARGV[at + 14]
  local job = {
    id = ARGV[at + 1], name = ARGV[at + 2], data = ARGV[at + 3], opts = ARGV[at + 4], timestamp = ARGV[at + 5],
    delay = ARGV[at + 6], priority = ARGV[at + 7], front = ARGV[at + 8] == "1", waits = ARGV[at + 9] == "1",
    parent_key = ARGV[at + 10], parent = ARGV[at + 11],
  }
  if ARGV[at + 12] ~= "" then
    job.once = {
      id = ARGV[at + 12], ttl = ARGV[at + 13], extend = string.find(flags, "e") ~= nil,
      replace = string.find(flags, "r") ~= nil, keep = string.find(flags, "k") ~= nil,
      reschedule = string.find(flags, "s") ~= nil,
    }
  end
  return job
end

local answers, parents = {}, {}
if how == "all" then
  local refused = false
  for at = 4, #ARGV, STRIDE do
    local code = refusal_of(ARGV[at], job_at(at))
    refused = refused or code ~= nil
    answers[#answers + 1] = code or 0
  end
  if refused then
    return answers
  end
  answers = {}
end
for at = 4, #ARGV, STRIDE do
  local queue, job = ARGV[at], job_at(at)
  local answer = add_job(queue, job, how == "flow")
  answers[#answers + 1] = answer
  if job.waits and (type(answer) == "string" or type(answer) == "table") then
    parents[#parents + 1] = { queue, type(answer) == "table" and answer[1] or answer }
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

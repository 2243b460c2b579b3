-- Changes alerts that are still as the caller saw them, and leaves the messages about them to be sent.
--
-- KEYS: the hash of alerts that hold. ARGV: 3 the key of the turn, or "" where anybody may, 4 who has it, 5 the stream of
--   ended alerts, 6 its length, 7 the hash of messages, 8 messages at most, 9 how many changes follow. Each change: its
--   subject, the alert as it was seen ("" for none), as it is to be ("" for none), as it ended ("" if it did not), how many
--   messages follow, and for each its id and its text.
-- Returns: a list of 1 or 0, whether each change was made; an empty list where somebody else has the turn; last the number of
--   messages that found no room.
-- Run twice, the second call changes nothing: the alerts are not as they were seen any more.
if ARGV[3] ~= "" and call("GET", ARGV[3]) ~= ARGV[4] then
  return { -1 }
end
local made, lost, at = {}, 0, 10
for n = 1, tonumber(ARGV[9]) do
  local subject, seen, new, ended = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local messages = tonumber(ARGV[at + 4])
  at = at + 5
  if (call("HGET", KEYS[1], subject) or "") == seen then
    if new ~= "" then
      call("HSET", KEYS[1], subject, new)
    else
      call("HDEL", KEYS[1], subject)
    end
    if ended ~= "" then
      call("XADD", ARGV[5], "MAXLEN", "~", ARGV[6], "*", "alert", ended)
    end
    for m = 0, messages - 1 do
      if call("HLEN", ARGV[7]) < tonumber(ARGV[8]) then
        call("HSET", ARGV[7], ARGV[at + 2 * m], ARGV[at + 2 * m + 1])
      else
        lost = lost + 1
      end
    end
    made[n] = 1
  else
    made[n] = 0
  end
  at = at + 2 * messages
end
made[#made + 1] = lost
return made

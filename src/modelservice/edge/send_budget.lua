-- Bounds the answers that lie in Envoy because nobody reads them.
--
-- Over HTTP/1.1 an answer is Envoy's alone as soon as it is complete, and no filter sees when its caller has taken it. But
-- Envoy counts all bytes that lie in its connections and streams, and its administration says how many there are. It is
-- asked once for so many bytes of long answers as one thread hands over. Beyond the bound a long answer is refused; beyond
-- half of it, to those credentials that have had much of late. What is short is never refused, and costs nothing here.

-- In bytes. From here on an answer is long.
local LONG = 65536
-- In milliseconds: for how long it is known who had how much. As long as an answer may lie.
local MEMORY = 30000
-- Gauges alone: half the work.
local LYING = "/stats?type=Gauges&filter=^(http\\.edge\\.downstream_cx_tx_bytes_buffered|http2\\.pending_send_bytes)$"

-- settings.bytes: the bound, for all threads together. settings.administration: the cluster that leads to Envoy's own.
return function(settings)
  -- From here on it matters who asks, and how much one may have had then, from one thread.
  local crowded, allowance = settings.bytes / 2, settings.bytes / 8
  -- How much one thread hands over between two looks.
  local step = settings.bytes / 16
  -- All bytes that were handed over; of them, at the begin of the last look; and what lay unread then.
  local handed, seen, lying = 0, 0, 0
  -- Whether somebody looks now.
  local looking = false
  -- What was handed over, by credential, and since when.
  local had, since = {}, 0

  -- Waits for an answer of the administration. One that does not come says that nothing lies: Envoy's overload manager is
  -- still there.
  local function look(handle)
    local before = handed
    looking = true
    -- A body that came during the call could not be replaced.
    handle:body()
    local request = {[":method"] = "GET", [":path"] = LYING, [":authority"] = "administration"}
    local _, body = handle:httpCall(settings.administration, request, "", 1000)
    looking = false
    -- Others may have looked meanwhile, and later.
    if before >= seen then
      seen, lying = before, 0
      for bytes in (body or ""):gmatch(": (%d+)") do
        lying = lying + tonumber(bytes)
      end
    end
    local time = tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND))
    if lying < step or time < since or time >= since + MEMORY then
      had, since = {}, time
    end
  end

  local unread = {}

  -- Whether an answer of so many bytes may be handed over. It may wait: what was looked at before is out of reach then.
  function unread.admits(handle, size, credential)
    if size < LONG then
      return true
    end
    -- Until one of them has looked, all that was handed over since is taken to lie unread: the others need not look, too,
    -- as long as there is room for that. (A look that is broken off leaves it to those who need one.)
    if (handed - seen + size > step and not looking) or lying + handed - seen + size > crowded then
      look(handle)
    end
    local all, own = lying + handed - seen + size, (had[credential] or 0) + size
    if all > settings.bytes or (all > crowded and own > allowance) then
      return false
    end
    handed, had[credential] = handed + size, own
    return true
  end

  return unread
end

-- Limits the bytes that Envoy buffers for clients that do not read their responses.
--
-- Over HTTP/1.1, no filter sees when a client has read its response. But Envoy counts the bytes that it buffers, and its
-- admin interface reports the sum. Each thread polls it after a certain number of bytes of long responses. Above the limit,
-- long responses are refused; above half of it, only to credentials that received a lot recently. Short responses are never
-- refused, and cost nothing here.

-- In bytes: the size from which a response is long.
local LONG = 65536
-- In milliseconds: how long the bytes per credential are remembered. Clients must read a response within the same time.
local MEMORY = 30000
-- Only gauges, which halves the work.
local UNREAD = "/stats?type=Gauges&filter=^(http\\.edge\\.downstream_cx_tx_bytes_buffered|http2\\.pending_send_bytes)$"

-- settings.bytes: the limit, for all threads together. settings.administration: the cluster of Envoy's admin interface.
return function(settings)
  -- The level above which credentials have an allowance, and the allowance from one thread.
  local crowded, allowance = settings.bytes / 2, settings.bytes / 8
  -- The bytes that one thread sends between two polls.
  local step = settings.bytes / 16
  -- The bytes sent; the bytes sent when the last poll began; and the unread bytes that it reported.
  local sent, polled, unread = 0, 0, 0
  -- Whether a poll is in progress.
  local polling = false
  -- The bytes sent by credential, and since when.
  local had, since = {}, 0

  -- Waits for the admin interface. No answer counts as nothing unread: Envoy's overload manager still applies.
  local function poll(handle)
    local before = sent
    polling = true
    -- A body that arrives during the call could not be replaced.
    handle:body()
    local request = {[":method"] = "GET", [":path"] = UNREAD, [":authority"] = "administration"}
    local _, body = handle:httpCall(settings.administration, request, "", 1000)
    polling = false
    -- Unless a later poll has already finished.
    if before >= polled then
      polled, unread = before, 0
      for bytes in (body or ""):gmatch(": (%d+)") do
        unread = unread + tonumber(bytes)
      end
    end
    local time = tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND))
    if unread < step or time < since or time >= since + MEMORY then
      had, since = {}, time
    end
  end

  local send_budget = {}

  -- Whether a response of `size` bytes may be sent. It may wait, and headers read earlier are invalid after that.
  function send_budget.admits(handle, size, credential)
    if size < LONG then
      return true
    end
    -- Until a poll ends, everything sent since the last one counts as unread: other requests need not poll as well while
    -- that fits. (If a poll is aborted, the next request that needs one polls.)
    if (sent - polled + size > step and not polling) or unread + sent - polled + size > crowded then
      poll(handle)
    end
    local all, own = unread + sent - polled + size, (had[credential] or 0) + size
    if all > settings.bytes or (all > crowded and own > allowance) then
      return false
    end
    sent, had[credential] = sent + size, own
    return true
  end

  return send_budget
end

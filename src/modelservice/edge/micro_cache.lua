-- A cache of the shortest life: one caller's repeated request is answered by Envoy alone, for as long as the server said
-- with its answer (x-modelservice-edge-ttl), and never longer than a second. So every credential is checked by the server
-- once a second.
--
-- What is kept belongs to the whole credential, the path with its query, and the encodings that the caller takes. Nothing
-- is shared between credentials, and only a 200 is kept. Each of Envoy's threads keeps its own: a caller whose connections
-- are several threads' has the server asked by each.
--
-- If-None-Match is answered here, too, for answers that are kept and those that are not: the server always sends the
-- whole answer.

-- In milliseconds, whatever the server says.
local TTL_MAX = 1000
-- Per thread. What does not fit drives out what is oldest.
local ENTRIES_MAX, BYTES_MAX = 10000, 16 * 1024 * 1024
-- What an entry costs beside its key and its body, in bytes, roughly.
local OVERHEAD = 1024

local TTL = "x-modelservice-edge-ttl"
local NAMESPACE = "modelservice.micro_cache"
-- What is kept of an answer's headers. Envoy makes the others anew.
local KEPT = {"content-type", "content-encoding", "etag", "cache-control", "vary"}
local NOT_MODIFIED = {"etag", "cache-control", "vary"}

local entries, bytes = {}, 0
-- The entries in the order in which they came. `first` to `last` are in use.
local queue, first, last = {}, 1, 0

local function now(handle)
  return tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND))
end

-- A clock that was set back ends an entry's life, too.
local function fresh(entry, time)
  return time >= entry.time and time < entry.time + entry.ttl
end

local function drop_oldest()
  local entry = queue[first]
  queue[first] = nil
  first = first + 1
  bytes = bytes - entry.size
  -- Not one that has come in its place.
  if entries[entry.key] == entry then
    entries[entry.key] = nil
  end
end

local function keep(entry)
  while first <= last and (not fresh(queue[first], entry.time) or last - first + 1 >= ENTRIES_MAX or bytes + entry.size > BYTES_MAX) do
    drop_oldest()
  end
  last = last + 1
  queue[last] = entry
  entries[entry.key] = entry
  bytes = bytes + entry.size
end

-- Whether a request's If-None-Match names the entity tag (RFC 9110, 13.1.2): weakly compared, so without its W/.
local function names(if_none_match, etag)
  if not if_none_match then
    return false
  end
  if if_none_match:match("^%s*%*%s*$") then
    return true
  end
  local opaque = etag:gsub("^W/", "")
  for tag in if_none_match:gmatch('"[^"]*"') do
    if tag == opaque then
      return true
    end
  end
  return false
end

local function picked(headers, status, list)
  local found = {[":status"] = status}
  for _, name in ipairs(list) do
    found[name] = headers:get(name)
  end
  return found
end

-- What an answer to this request is kept under, or nil when it is none's business.
local function key_of(handle, headers)
  local credential = headers:get("authorization")
  if not credential or headers:get("cache-control") or headers:get("x-modelservice-organization") then
    return nil
  end
  -- Last, as it waits for a body, should there be one.
  if handle:body() then
    return nil
  end
  -- No header's value holds a line's end.
  return credential .. "\n" .. headers:get(":path") .. "\n" .. (headers:get("accept-encoding") or "")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":method") ~= "GET" or headers:get(":path"):sub(1, 10) ~= "/v1/models" then
    return
  end
  local if_none_match = headers:get("if-none-match")
  local key = key_of(handle, headers)
  local entry = key and entries[key]
  if entry and fresh(entry, now(handle)) then
    if names(if_none_match, entry.answer.etag) then
      handle:respond(entry.not_modified, "")
    else
      handle:respond(entry.answer, entry.body)
    end
    return
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  if key then
    metadata:set(NAMESPACE, "key", key)
  end
  if if_none_match then
    metadata:set(NAMESPACE, "if_none_match", if_none_match)
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local ttl = tonumber(headers:get(TTL) or "")
  -- An error, or an answer from here.
  if not ttl then
    return
  end
  headers:remove(TTL)
  local request = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  if not request or headers:get(":status") ~= "200" then
    return
  end
  local not_modified = names(request.if_none_match, headers:get("etag"))
  local size = OVERHEAD + (tonumber(headers:get("content-length") or "") or BYTES_MAX) + #(request.key or "")
  if request.key and ttl > 0 and size <= BYTES_MAX then
    local entry = {
      key = request.key,
      time = now(handle),
      ttl = math.min(ttl, TTL_MAX),
      size = size,
      answer = picked(headers, "200", KEPT),
      not_modified = picked(headers, "304", NOT_MODIFIED),
    }
    -- Waits for all of it. What was looked at before is out of reach then.
    local body = handle:body()
    entry.body = body:getBytes(0, body:length())
    keep(entry)
  end
  if not_modified then
    handle:body():setBytes("")
    headers = handle:headers()
    headers:replace(":status", "304")
    for _, name in ipairs({"content-type", "content-encoding", "content-length"}) do
      headers:remove(name)
    end
  end
end

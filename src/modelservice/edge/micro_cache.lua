-- A cache of the shortest life: one caller's repeated request is answered by Envoy alone, for as long as the server said
-- with its answer (x-modelservice-edge-ttl, in milliseconds), and never longer than a second. So every credential is checked
-- by the server once a second.
--
-- What is kept belongs to the whole credential, the path with its query, and the encodings that the caller takes. Nothing
-- is shared between credentials, and only a 200 is kept. Each of Envoy's threads keeps its own, within limits: how many
-- answers, and how many bytes. What does not fit drives out what is oldest.
--
-- If-None-Match is answered here, too, for answers that are kept and those that are not: the server always sends the
-- whole answer.

local TTL_MAX = 1000
-- What an answer costs beside its key and its body, in bytes, roughly.
local OVERHEAD = 1024

local TTL = "x-modelservice-edge-ttl"
local NAMESPACE = "modelservice.micro_cache"
-- What is kept of an answer's headers. Envoy makes the others anew.
local KEPT = {"content-type", "content-encoding", "etag", "cache-control", "vary"}
local KEPT_OF_NOT_MODIFIED = {"etag", "cache-control", "vary"}

local function now(handle)
  return tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND))
end

-- A clock that was set back ends an answer's life, too.
local function is_fresh(kept, time)
  return time >= kept.time and time < kept.time + kept.ttl
end

-- The answers that are kept, by key.
local function new_store(limits)
  local by_key, bytes = {}, 0
  -- The same in the order in which they came. `first` to `last` are in use.
  local queue, first, last = {}, 1, 0

  local function drop_oldest()
    local oldest = queue[first]
    queue[first] = nil
    first = first + 1
    bytes = bytes - oldest.size
    -- Not one that has come in its place.
    if by_key[oldest.key] == oldest then
      by_key[oldest.key] = nil
    end
  end

  local store = {}

  function store.get(key)
    return by_key[key]
  end

  function store.put(kept)
    while first <= last and (not is_fresh(queue[first], kept.time) or last - first + 1 >= limits.answers or bytes + kept.size > limits.bytes) do
      drop_oldest()
    end
    last = last + 1
    queue[last] = kept
    by_key[kept.key] = kept
    bytes = bytes + kept.size
  end

  return store
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

local function with_status(status, headers, list)
  local picked = {[":status"] = status}
  for _, name in ipairs(list) do
    picked[name] = headers:get(name)
  end
  return picked
end

-- Under what the answer to this request is kept; nil when it is not to be.
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

-- limits.answers, limits.bytes: of one thread.
return function(limits)
  local store = new_store(limits)
  local micro_cache = {}

  -- Answers a request that was answered before, or remembers what its answer will be kept under.
  function micro_cache.on_request(handle)
    local headers = handle:headers()
    if headers:get(":method") ~= "GET" or headers:get(":path"):sub(1, 10) ~= "/v1/models" then
      return
    end
    local if_none_match = headers:get("if-none-match")
    local key = key_of(handle, headers)
    local kept = key and store.get(key)
    if kept and is_fresh(kept, now(handle)) then
      if names(if_none_match, kept.answer.etag) then
        handle:respond(kept.not_modified, "")
      else
        handle:respond(kept.answer, kept.body)
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

  -- Keeps an answer, if the server said so. Says whether it came from here.
  function micro_cache.on_response(handle)
    local headers = handle:headers()
    local ttl = tonumber(headers:get(TTL) or "")
    if not ttl then
      return headers:get("etag") ~= nil
    end
    headers:remove(TTL)
    local request = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
    if not request or headers:get(":status") ~= "200" then
      return false
    end
    local not_modified = names(request.if_none_match, headers:get("etag"))
    local length = tonumber(headers:get("content-length") or "")
    local size = OVERHEAD + (length or limits.bytes) + #(request.key or "")
    if request.key and ttl > 0 and size <= limits.bytes then
      local kept = {
        key = request.key,
        time = now(handle),
        ttl = math.min(ttl, TTL_MAX),
        size = size,
        answer = with_status("200", headers, KEPT),
        not_modified = with_status("304", headers, KEPT_OF_NOT_MODIFIED),
      }
      -- Waits for all of it. What was looked at before is out of reach then.
      local body = handle:body()
      kept.body = body:getBytes(0, body:length())
      store.put(kept)
    end
    if not_modified then
      handle:body():setBytes("")
      headers = handle:headers()
      headers:replace(":status", "304")
      for _, name in ipairs({"content-type", "content-encoding", "content-length"}) do
        headers:remove(name)
      end
    end
    return false
  end

  return micro_cache
end

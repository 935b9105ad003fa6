-- The headers of REST responses, and a short-lived cache (the edge cache).
--
-- The server appends the entity tag and the compression to the body's type (catalogue/rendering.py). This script turns
-- them into headers, adds those that all responses share, and answers If-None-Match: the server always sends the whole
-- response.
--
-- Envoy answers a client's repeated requests from the cache, for a second by default, so the server still checks each
-- credential every second. The key of a cached response is the whole credential, the path with its query, and the
-- accepted encodings. Credentials share nothing. Only responses with an entity tag are cached, and errors have none. Each
-- Envoy thread has its own cache, with limits for responses and bytes. New responses evict the oldest.

-- The approximate cost of a response besides its key and body, in bytes.
local OVERHEAD = 1024
local REFUSED = '{"error":{"type":"rate_limit_error","message":"Too many requests","code":"rate_limited"}}'
local REFUSAL = {[":status"] = "429", ["content-type"] = "application/json", ["retry-after"] = "1"}
local NAMESPACE = "modelservice.micro_cache"

local function now(handle)
  return tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND))
end

-- Cached responses, by key.
local function new_store(settings)
  local by_key, bytes = {}, 0
  -- The same in order of arrival, from index `first` to `last`.
  local queue, first, last = {}, 1, 0

  -- A response also expires if the clock was set back.
  local function is_fresh(kept, time)
    return time >= kept.time and time < kept.time + settings.ttl
  end

  local function drop_oldest()
    local oldest = queue[first]
    queue[first] = nil
    first = first + 1
    bytes = bytes - oldest.size
    -- Unless a newer response has replaced it.
    if by_key[oldest.key] == oldest then
      by_key[oldest.key] = nil
    end
  end

  local store = {}

  function store.get(key, handle)
    local kept = by_key[key]
    return kept and is_fresh(kept, now(handle)) and kept
  end

  function store.put(kept)
    while first <= last and (not is_fresh(queue[first], kept.time) or last - first + 1 >= settings.answers or bytes + kept.size > settings.bytes) do
      drop_oldest()
    end
    last = last + 1
    queue[last] = kept
    by_key[kept.key] = kept
    bytes = bytes + kept.size
  end

  return store
end

-- Whether If-None-Match contains the entity tag (RFC 9110, 13.1.2). The comparison is weak: it ignores W/.
local function matches(if_none_match, etag)
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

-- The cache key of a request; nil if it bypasses the cache.
local function key_of(handle, headers)
  local credential = headers:get("authorization")
  if not credential or headers:get("cache-control") or headers:get("x-modelservice-organization") then
    return nil
  end
  -- Envoy would answer native gRPC with a failure whose message is the cached body.
  if (headers:get("content-type") or ""):sub(1, 16) == "application/grpc" then
    return nil
  end
  -- Last, because it waits for the body, if there is one.
  if handle:body() then
    return nil
  end
  -- Header values contain no newline.
  return credential .. "\n" .. headers:get(":path") .. "\n" .. (headers:get("accept-encoding") or "")
end

-- Replaces the server's response with 429.
local function refuse(handle)
  local headers = handle:headers()
  for name, value in pairs(REFUSAL) do
    headers:replace(name, value)
  end
  handle:body():setBytes(REFUSED)
end

-- settings.ttl: in milliseconds. settings.answers, settings.bytes: limits of one thread. settings.headers: of every
-- response. settings.admits: whether a response may be sent (send_budget.lua).
return function(settings)
  local store = new_store(settings)
  local micro_cache = {}

  local function headers_of(status, etag)
    local headers = {[":status"] = status, etag = etag}
    for name, value in pairs(settings.headers) do
      headers[name] = value
    end
    return headers
  end

  -- Answers a request from the cache, or remembers the key for its response.
  function micro_cache.on_request(handle)
    local headers = handle:headers()
    if headers:get(":method") ~= "GET" or headers:get(":path"):sub(1, 10) ~= "/v1/models" then
      return
    end
    -- Before key_of, which may wait for the body: headers cannot be read after that.
    local if_none_match, credential = headers:get("if-none-match"), headers:get("authorization")
    local key = settings.ttl > 0 and key_of(handle, headers) or nil
    local kept = key and store.get(key, handle)
    if kept then
      if matches(if_none_match, kept.answer.etag) then
        handle:respond(kept.not_modified, "")
      elseif settings.admits(handle, #kept.body, kept.credential) then
        handle:respond(kept.answer, kept.body)
      else
        handle:respond(REFUSAL, REFUSED)
      end
    else
      local request = {key = key, if_none_match = if_none_match, credential = credential}
      handle:streamInfo():dynamicMetadata():set(NAMESPACE, "request", request)
    end
  end

  -- Sets the headers of the server's response, and caches it. Returns whether the response came from the cache.
  function micro_cache.on_response(handle)
    local headers = handle:headers()
    local tag, coding = (headers:get("content-type") or ""):match("^application/json;etag=(%x+);?(%l*)$")
    if not tag then
      return headers:get("etag") ~= nil
    end
    local etag = 'W/"' .. tag .. '"'
    local metadata = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
    local request = metadata and metadata.request or {}
    local is_known = matches(request.if_none_match, etag)
    local length = tonumber(headers:get("content-length") or "")
    if not is_known then
      if not settings.admits(handle, length or 0, request.credential or "") then
        refuse(handle)
        return false
      end
      headers = handle:headers()
    end
    local answer = headers_of("200", etag)
    answer["content-type"] = "application/json"
    answer["content-encoding"] = coding ~= "" and coding or nil
    if is_known then
      headers:remove("content-type")
    end
    for name, value in pairs(is_known and headers_of("304", etag) or answer) do
      headers:replace(name, value)
    end
    local size = OVERHEAD + #(request.key or "") + (length or settings.bytes)
    if request.key and size <= settings.bytes then
      -- Waits for the whole body. Headers read earlier are invalid after that.
      local body = handle:body()
      store.put({
        key = request.key,
        credential = request.credential,
        time = now(handle),
        size = size,
        answer = answer,
        not_modified = headers_of("304", etag),
        body = body:getBytes(0, body:length()),
      })
    end
    if is_known then
      handle:body():setBytes("")
      handle:headers():remove("content-length")
    end
    return false
  end

  return micro_cache
end

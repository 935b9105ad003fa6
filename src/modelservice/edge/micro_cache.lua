-- What REST says of an answer beside its JSON; and a cache of the shortest life.
--
-- The server sends an answer's entity tag, and whether it is compressed, with the body's type (catalogue/rendering.py). Here
-- they become headers, beside those that are the same for all; and here If-None-Match is answered: the server always
-- sends the whole answer.
--
-- One caller's repeated request is answered by Envoy alone, for a second at most. So every credential is checked by the
-- server once a second. What is kept belongs to the whole credential, the path with its query, and the encodings that the
-- caller takes. Nothing is shared between credentials, and nothing is kept but what the server sent with an entity tag,
-- which no error has. Each of Envoy's threads keeps its own, within limits: how many answers, and how many bytes. What
-- does not fit drives out what is oldest.

-- What an answer costs beside its key and its body, in bytes, roughly.
local OVERHEAD = 1024
local REFUSED = '{"error":{"type":"rate_limit_error","message":"Too many requests","code":"rate_limited"}}'
local REFUSAL = {[":status"] = "429", ["content-type"] = "application/json", ["retry-after"] = "1"}
local NAMESPACE = "modelservice.micro_cache"

local function now(handle)
  return tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND))
end

-- The answers that are kept, by key.
local function new_store(settings)
  local by_key, bytes = {}, 0
  -- The same in the order in which they came. `first` to `last` are in use.
  local queue, first, last = {}, 1, 0

  -- A clock that was set back ends an answer's life, too.
  local function is_fresh(kept, time)
    return time >= kept.time and time < kept.time + settings.ttl
  end

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

-- Under what the answer to this request is kept; nil when it is not to be.
local function key_of(handle, headers)
  local credential = headers:get("authorization")
  if not credential or headers:get("cache-control") or headers:get("x-modelservice-organization") then
    return nil
  end
  -- Envoy would answer native gRPC in its own form: with a failure, whose sentence is the answer.
  if (headers:get("content-type") or ""):sub(1, 16) == "application/grpc" then
    return nil
  end
  -- Last, as it waits for a body, should there be one.
  if handle:body() then
    return nil
  end
  -- No header's value holds a line's end.
  return credential .. "\n" .. headers:get(":path") .. "\n" .. (headers:get("accept-encoding") or "")
end

-- In the stead of an answer of the server.
local function refuse(handle)
  local headers = handle:headers()
  for name, value in pairs(REFUSAL) do
    headers:replace(name, value)
  end
  handle:body():setBytes(REFUSED)
end

-- settings.ttl: in milliseconds. settings.answers, settings.bytes: of one thread. settings.headers: of every answer.
-- settings.admits: says whether an answer may be handed over (send_budget.lua).
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

  -- Answers a request that was answered before, or remembers what its answer will be kept under.
  function micro_cache.on_request(handle)
    local headers = handle:headers()
    if headers:get(":method") ~= "GET" or headers:get(":path"):sub(1, 10) ~= "/v1/models" then
      return
    end
    -- Before the key, which may wait for a body: the headers are out of reach then.
    local if_none_match, credential = headers:get("if-none-match"), headers:get("authorization")
    local key = settings.ttl > 0 and key_of(handle, headers) or nil
    local kept = key and store.get(key, handle)
    if kept then
      if names(if_none_match, kept.answer.etag) then
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

  -- Makes headers of what the server says, and keeps the answer. Says whether it came from here.
  function micro_cache.on_response(handle)
    local headers = handle:headers()
    local tag, coding = (headers:get("content-type") or ""):match("^application/json;etag=(%x+);?(%l*)$")
    if not tag then
      return headers:get("etag") ~= nil
    end
    local etag = 'W/"' .. tag .. '"'
    local metadata = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
    local request = metadata and metadata.request or {}
    local is_known = names(request.if_none_match, etag)
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
      -- Waits for all of it. What was looked at before is out of reach then.
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

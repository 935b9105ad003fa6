-- The headers of successful REST responses, and a short-lived cache (the edge cache).
--
-- The server appends the entity tag and the compression to the body's type (catalogue/rendering.py). This script turns
-- them into headers, adds those that all responses share, and answers If-None-Match: the server always sends the whole
-- response.
--
-- Envoy answers a client's repeated requests from the cache, for a second by default, so the server still checks each
-- credential every second. The key of a cached response is the whole credential, the path with its query, and the
-- accepted encodings. Credentials share nothing. Only responses with an entity tag are cached, and errors have none. Each
-- Envoy thread has its own cache, with limits for responses and bytes. New responses evict the oldest.
--
-- The cache precedes the rate limits, and has its own: a thread leaves a credential's requests to them once it has
-- answered as many in a second as the credential may send.

-- The approximate cost of a response besides its key and body, in bytes.
local OVERHEAD = 1024
-- Responses from the cache that have a line in the access log: of each credential, per second and thread.
local LINES = 10
-- Characters of a credential that the rate limits tell apart.
local CREDENTIAL_MAX = 128
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

  function store.get(key, time)
    local kept = by_key[key]
    return kept and is_fresh(kept, time) and kept
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

-- What each credential got from the cache: a function from its name to its counts. When the table of those seen last is
-- full, the others are forgotten.
local function new_callers(limit)
  local recent, older, count = {}, {}, 0
  return function(name)
    local caller = recent[name]
    if not caller then
      if count >= limit then
        recent, older, count = {}, recent, 0
      end
      caller = older[name] or {second = 0, answers = 0, lines = 0, skipped = 0}
      recent[name], count = caller, count + 1
    end
    return caller
  end
end

-- The part of a credential that the rate limits count by, in all of its spellings: what follows the last dot or space
-- (envoy.yaml, header_to_metadata).
local function name_of(credential)
  local text = credential:match("^.*[^ ]") or ""
  return (text:match("^.*[. ](.+)$") or text):sub(1, CREDENTIAL_MAX)
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
local function key_of(headers, credential)
  if not credential or headers:get("cache-control") or headers:get("x-modelservice-organization") then
    return nil
  end
  -- Header values contain no newline.
  return credential .. "\n" .. headers:get(":path") .. "\n" .. (headers:get("accept-encoding") or "")
end

-- settings.ttl: in milliseconds. settings.rate: responses per second to one credential; 0 is no limit. settings.answers,
-- settings.bytes: limits of one thread. settings.headers: of every response. settings.admits: whether a response may be
-- sent (send_budget.lua). settings.refusal: the error if not (errors.lua).
return function(settings)
  local store, callers = new_store(settings), new_callers(settings.answers)
  local rate = settings.rate > 0 and settings.rate or math.huge
  local micro_cache = {}

  local function headers_of(status, etag)
    local headers = {[":status"] = status, etag = etag}
    for name, value in pairs(settings.headers) do
      headers[name] = value
    end
    return headers
  end

  -- Whether the cache may answer the caller once more in this second.
  local function is_within_rate(caller, time)
    local second = math.floor(time / 1000)
    if caller.second ~= second then
      caller.second, caller.answers, caller.lines = second, 0, 0
    end
    return caller.answers < rate
  end

  -- A line in the access log counts the responses before it that have none.
  local function note_skipped(handle, caller)
    if caller.skipped > 0 then
      handle:streamInfo():dynamicMetadata():set(NAMESPACE, "skipped", caller.skipped)
      caller.skipped = 0
    end
  end

  local function respond(handle, caller, headers, body)
    if caller.lines < LINES then
      caller.lines = caller.lines + 1
      note_skipped(handle, caller)
    else
      caller.skipped = caller.skipped + 1
      -- The access log leaves this request out.
      handle:headers():replace("x-envoy-skipped", "1")
    end
    handle:respond(headers, body)
  end

  -- Answers a request from the cache and returns true, or adds what its response needs to `request`.
  function micro_cache.answer(handle, headers, request)
    local credential, if_none_match = headers:get("authorization"), headers:get("if-none-match")
    request.credential, request.if_none_match = credential, if_none_match
    local key = settings.ttl > 0 and key_of(headers, credential)
    if not key then
      return false
    end
    request.key = key
    local time = now(handle)
    local kept = store.get(key, time)
    local caller = kept and callers(kept.caller)
    if not caller or not is_within_rate(caller, time) then
      return false
    end
    -- Counted before anything waits: requests that never end count, too.
    caller.answers = caller.answers + 1
    -- This waits for the body, if there is one. Headers read earlier are invalid then.
    if handle:body() then
      return false
    end
    if matches(if_none_match, kept.answer.etag) then
      respond(handle, caller, kept.not_modified, "")
    elseif settings.admits(handle, #kept.body, credential) then
      respond(handle, caller, kept.answer, kept.body)
    else
      handle:respond({[":status"] = settings.refusal.status}, settings.refusal.body)
    end
    return true
  end

  -- Replaces the server's response with the error.
  local function refuse(handle)
    local headers = handle:headers()
    headers:replace(":status", settings.refusal.status)
    headers:replace("content-type", "application/json")
    handle:body():setBytes(settings.refusal.body)
  end

  -- Sets the headers of a successful response and caches it. Returns false if it is another response.
  function micro_cache.on_response(handle, request)
    local headers = handle:headers()
    local tag, coding = (headers:get("content-type") or ""):match("^application/json;etag=(%x+);?(%l*)$")
    if not tag then
      return false
    end
    local etag = 'W/"' .. tag .. '"'
    local is_known = matches(request.if_none_match, etag)
    local length = tonumber(headers:get("content-length") or "")
    if not is_known then
      if not settings.admits(handle, length or 0, request.credential or "") then
        refuse(handle)
        return false
      end
      headers = handle:headers()
    end
    if is_known then
      headers:replace(":status", "304")
      headers:remove("content-type")
    else
      headers:replace("content-type", "application/json")
      if coding ~= "" then
        headers:replace("content-encoding", coding)
      end
    end
    headers:replace("etag", etag)
    for name, value in pairs(settings.headers) do
      headers:replace(name, value)
    end
    local size = OVERHEAD + #(request.key or "") + (length or settings.bytes)
    local is_kept = request.key and size <= settings.bytes
    -- Waits for the whole body. Headers read earlier are invalid after that.
    local body = (is_kept or is_known) and handle:body()
    local caller = settings.ttl > 0 and request.credential and name_of(request.credential)
    if caller then
      note_skipped(handle, callers(caller))
    end
    if body and is_kept then
      local answer = headers_of("200", etag)
      answer["content-type"] = "application/json"
      answer["content-encoding"] = coding ~= "" and coding or nil
      store.put({
        key = request.key,
        caller = caller,
        time = now(handle),
        size = size,
        answer = answer,
        not_modified = headers_of("304", etag),
        body = body:getBytes(0, body:length()),
      })
    end
    if body and is_known then
      body:setBytes("")
      handle:headers():remove("content-length")
    end
    return true
  end

  return micro_cache
end

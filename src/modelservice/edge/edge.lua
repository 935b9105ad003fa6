-- Envoy's first filter: every request passes it before the others, and every response after them. It puts the other
-- scripts together.

local NAMESPACE = "modelservice.edge"

-- Whether Envoy takes it for native gRPC, whose requests and responses stay as they are.
local function is_native(content_type)
  return content_type and (content_type .. "+"):sub(1, 17) == "application/grpc+"
end

-- settings: folder: of the scripts. cors_origins: of pages that may call. cache_ttl: in milliseconds; 0 disables the edge
-- cache. cache_answers, cache_bytes: its limits in one thread. rate_per_credential: per second; 0 is no limit.
-- cache_control, vary: headers of every success. send_budget: in bytes.
return function(settings)
  local function script(name)
    return dofile(settings.folder .. "/" .. name .. ".lua")
  end

  local errors = script("errors")
  local send_budget = script("send_budget")({bytes = settings.send_budget, administration = "administration"})
  local micro_cache = script("micro_cache")({
    ttl = settings.cache_ttl,
    rate = settings.rate_per_credential,
    answers = settings.cache_answers,
    bytes = settings.cache_bytes,
    headers = {["cache-control"] = settings.cache_control, vary = settings.vary},
    admits = send_budget.admits,
    refusal = errors.rate_limited,
  })
  local responses = script("responses")(errors)
  local cors = script("cors")(settings.cors_origins)

  -- For the access log and for cors.lua.
  local function note(handle, name, value)
    handle:streamInfo():dynamicMetadata():set(NAMESPACE, name, value)
  end

  -- What the response needs to know of its request, in lines: headers contain no newline. Nothing else connects the two.
  -- Dynamic metadata would cost twice as much.
  local function remember(handle, request)
    local state = table.concat({
      request.method or "",
      request.if_none_match or "",
      -- The key begins with the credential.
      request.key or request.credential or "",
    }, "\n")
    if state ~= "\n\n" then
      handle:streamInfo():filterState():set(NAMESPACE, "envoy.string", state)
    end
  end

  local function recall(handle)
    local state = handle:streamInfo():filterState():get(NAMESPACE)
    local method, if_none_match, key, credential = (state or "\n\n"):match("^(.-)\n(.-)\n(([^\n]*).*)$")
    return {
      method = method,
      if_none_match = if_none_match ~= "" and if_none_match or nil,
      credential = credential ~= "" and credential or nil,
      key = #key > #credential and key or nil,
    }
  end

  local function on_request(handle)
    local headers = handle:headers()
    if is_native(headers:get("content-type")) then
      return
    end
    local method, origin = headers:get(":method"), cors.origin(headers)
    if origin then
      note(handle, "origin", origin)
      if method == "OPTIONS" and cors.answer_preflight(handle, headers) then
        return
      end
    end
    local request = {}
    if method == "HEAD" then
      -- From here on it is a GET, whose response loses its body. The access log shows what is noted.
      headers:replace(":method", "GET")
      note(handle, "method", method)
      request.method = method
    elseif method ~= "GET" then
      return
    end
    if not micro_cache.answer(handle, headers, request) then
      remember(handle, request)
    end
  end

  local function on_response(handle)
    -- Only a response from the cache has an entity tag by now, and needs nothing more.
    if not handle:headers():get("etag") then
      local request = recall(handle)
      if not micro_cache.on_response(handle, request) then
        responses.on_response(handle)
      end
      if request.method == "HEAD" then
        responses.drop_body(handle)
      end
    end
    cors.on_response(handle, NAMESPACE)
  end

  return on_request, on_response
end

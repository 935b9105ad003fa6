-- Lets pages of other origins call the API from a browser (CORS). No credential is a cookie, so cookies stay disallowed.

local PREFLIGHT = {
  [":status"] = "200",
  ["access-control-allow-methods"] = "GET, HEAD",
  -- Seconds for which a browser may reuse the response.
  ["access-control-max-age"] = "600",
  vary = "Access-Control-Request-Headers",
}
local EXPOSED = "etag, retry-after, x-request-id"
-- In bytes. Browsers ask for a few names.
local REQUESTED_MAX = 4096

-- origins: those that may call.
return function(origins)
  local is_allowed = {}
  for _, origin in ipairs(origins) do
    is_allowed[origin] = true
  end

  local cors = {}

  -- Returns the request's origin if it may call, else nil.
  function cors.origin(headers)
    if #origins > 0 then
      local origin = headers:get("origin")
      return is_allowed[origin] and origin
    end
  end

  -- Answers a preflight request of such an origin. Returns whether it was one.
  function cors.answer_preflight(handle, headers)
    if not headers:get("access-control-request-method") then
      return false
    end
    local answer = {}
    for name, value in pairs(PREFLIGHT) do
      answer[name] = value
    end
    -- Any header, so that no client library is left out. Only names of headers are repeated.
    local requested = headers:get("access-control-request-headers") or ""
    if #requested <= REQUESTED_MAX and requested:find("^[%w!#$%%&'*+.^_`|~, -]+$") then
      answer["access-control-allow-headers"] = requested
    end
    handle:respond(answer, "")
    return true
  end

  -- Lets the page read the response. Last, so that no response in the edge cache names an origin. Other caches learn that
  -- responses differ.
  function cors.on_response(handle, namespace)
    if #origins == 0 then
      return
    end
    local headers, noted = handle:headers(), handle:streamInfo():dynamicMetadata():get(namespace)
    local vary = headers:get("vary")
    headers:replace("vary", vary and vary .. ", Origin" or "Origin")
    if noted and noted.origin then
      headers:replace("access-control-allow-origin", noted.origin)
      headers:replace("access-control-expose-headers", EXPOSED)
    end
  end

  return cors
end

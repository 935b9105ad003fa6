-- Finishes each response: gives the server's refusals their status, and turns the errors of grpcio and Envoy into
-- documented ones.

-- errors: every documented error (errors.lua).
return function(errors)
  -- grpcio's own errors, which lack the documented details, by HTTP status: too many calls, too large a message, a
  -- deadline that expired before the call was read, and a call aborted by a server that shuts down.
  local BY_STATUS = {
    ["413"] = errors.request_too_large,
    ["429"] = errors.unavailable,
    ["499"] = errors.unavailable,
    ["503"] = errors.unavailable,
    ["504"] = errors.timeout,
  }
  -- Envoy's own errors for native gRPC: the body as the message, and a status that is not always the documented one.
  local BY_MESSAGE = {[errors.unavailable.grpc_message] = errors.unavailable}
  for _, row in pairs(errors) do
    -- Native gRPC does not have all of them.
    BY_MESSAGE[row.body] = row.grpc_status and row
  end

  local responses = {}

  function responses.on_response(handle)
    local headers = handle:headers()
    local content_type = headers:get("content-type") or ""
    if content_type:sub(1, 16) == "application/grpc" then
      local row = BY_MESSAGE[headers:get("grpc-message") or ""]
      if row and not headers:get("grpc-status-details-bin") then
        headers:replace("grpc-status", row.grpc_status)
        headers:replace("grpc-message", row.grpc_message)
        headers:replace("grpc-status-details-bin", row.grpc_details)
      end
      return
    end
    -- A refusal of the server: the parameter is its status (rpc/rest_service.py).
    local status = content_type:match("^application/json;status=(%d%d%d)$")
    if status then
      headers:replace(":status", status)
      headers:replace("content-type", "application/json")
    else
      status = headers:get(":status")
      -- The transcoder prints {} for a status without details.
      if status:sub(1, 1) ~= "2" and headers:get("content-length") == "2" then
        local row = BY_STATUS[status] or errors.internal_error
        status = row.status
        headers:replace(":status", status)
        headers:replace("content-type", "application/json")
        handle:body():setBytes(row.body)
      end
    end
    if status == "401" then
      headers:replace("www-authenticate", "Bearer")
    elseif status == "429" then
      headers:replace("retry-after", "1")
    end
  end

  -- Leaves only the headers, as the response to HEAD: over HTTP/2, Envoy would send the body.
  function responses.drop_body(handle)
    local length = handle:headers():get("content-length")
    -- Waits for the whole body. Headers read earlier are invalid after that.
    local body = handle:body()
    if length and body and body:length() > 0 then
      body:setBytes("")
      handle:headers():replace("content-length", length)
    end
  end

  return responses
end

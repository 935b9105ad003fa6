-- Finishes each response: turns errors of Envoy and grpcio into documented ones, and removes gRPC's headers from REST.

local INTERNAL = '{"error":{"type":"api_error","message":"Internal error","code":"internal_error"}}'
local UNAVAILABLE = '{"error":{"type":"api_error","message":"Service unavailable","code":"unavailable"}}'
local TIMEOUT = '{"error":{"type":"api_error","message":"Deadline exceeded","code":"timeout"}}'
local TOO_LARGE = '{"error":{"type":"invalid_request_error","message":"Request too large","code":"request_too_large"}}'
-- grpcio's own errors, which lack the documented details, by HTTP status: too many calls, too large a message, a deadline
-- that expired before the call was read, and a call aborted by a server that shuts down.
local BODIES = {["429"] = UNAVAILABLE, ["499"] = UNAVAILABLE, ["503"] = UNAVAILABLE, ["504"] = TIMEOUT, ["413"] = TOO_LARGE}
local STATUSES = {["429"] = "503", ["499"] = "503", ["503"] = "503", ["504"] = "504", ["413"] = "413"}

-- Envoy's own errors for native gRPC, by message: the gRPC status, which Envoy does not know for all of them, and the
-- details that the server would send (a test compares them).
local NATIVE = {
  ["Malformed request"] = {"3", "CAMSEU1hbGZvcm1lZCByZXF1ZXN0GksKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5FcnJvckluZm8SHwoPSU5WQUxJRF9SRVFVRVNUEgxtb2RlbHNlcnZpY2V6OwoVaW52YWxpZF9yZXF1ZXN0X2Vycm9yEhFNYWxmb3JtZWQgcmVxdWVzdBoPaW52YWxpZF9yZXF1ZXN0"},
  ["Unknown path"] = {"12", "CAwSDFVua25vd24gcGF0aBpFCih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuRXJyb3JJbmZvEhkKCU5PVF9GT1VORBIMbW9kZWxzZXJ2aWNleioKD25vdF9mb3VuZF9lcnJvchIMVW5rbm93biBwYXRoGglub3RfZm91bmQ="},
  ["Request too large"] = {"8", "CAgSEVJlcXVlc3QgdG9vIGxhcmdlGk0KKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5FcnJvckluZm8SIQoRUkVRVUVTVF9UT09fTEFSR0USDG1vZGVsc2VydmljZXo9ChVpbnZhbGlkX3JlcXVlc3RfZXJyb3ISEVJlcXVlc3QgdG9vIGxhcmdlGhFyZXF1ZXN0X3Rvb19sYXJnZQ=="},
  ["Too many requests"] = {"8", "CAgSEVRvbyBtYW55IHJlcXVlc3RzGkgKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5FcnJvckluZm8SHAoMUkFURV9MSU1JVEVEEgxtb2RlbHNlcnZpY2V6MwoQcmF0ZV9saW1pdF9lcnJvchIRVG9vIG1hbnkgcmVxdWVzdHMaDHJhdGVfbGltaXRlZA=="},
  ["Service unavailable"] = {"14", "CA4SE1NlcnZpY2UgdW5hdmFpbGFibGUaRwoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxIbCgtVTkFWQUlMQUJMRRIMbW9kZWxzZXJ2aWNlei0KCWFwaV9lcnJvchITU2VydmljZSB1bmF2YWlsYWJsZRoLdW5hdmFpbGFibGU="},
  ["Deadline exceeded"] = {"4", "CAQSEURlYWRsaW5lIGV4Y2VlZGVkGkMKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5FcnJvckluZm8SFwoHVElNRU9VVBIMbW9kZWxzZXJ2aWNleicKCWFwaV9lcnJvchIRRGVhZGxpbmUgZXhjZWVkZWQaB3RpbWVvdXQ="},
}

local responses = {}

function responses.on_response(handle)
  local headers = handle:headers()
  if (headers:get("content-type") or ""):sub(1, 16) == "application/grpc" then
    local native = NATIVE[headers:get("grpc-message") or ""]
    if native and not headers:get("grpc-status-details-bin") then
      headers:replace("grpc-status", native[1])
      headers:replace("grpc-status-details-bin", native[2])
    end
    return
  end
  for _, name in ipairs({"grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-encoding", "grpc-accept-encoding", "x-envoy-upstream-healthchecked-cluster"}) do
    headers:remove(name)
  end
  local status = headers:get(":status")
  if status == "401" then
    headers:replace("www-authenticate", "Bearer")
  end
  -- The transcoder prints {} for a status without details: grpcio's own errors.
  if status:sub(1, 1) ~= "2" and headers:get("content-length") == "2" then
    headers:replace(":status", STATUSES[status] or "500")
    headers:replace("content-type", "application/json")
    handle:body():setBytes(BODIES[status] or INTERNAL)
  elseif status == "429" then
    headers:replace("retry-after", "1")
  end
end

return responses

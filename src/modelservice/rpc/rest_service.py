"""RestService: what Envoy calls for REST requests. It reads path and query, and answers in the path's dialect."""

from __future__ import annotations

from functools import partial
from typing import Final

import grpc
from google.api.httpbody_pb2 import HttpBody

from modelservice.auth.authenticate import Verify
from modelservice.auth.token import TokenVerifier
from modelservice.catalogue.rendering import serialize, to_json
from modelservice.catalogue.snapshot import Snapshot
from modelservice.dialects.paths import Address, Resource, dialect_of, read_address
from modelservice.dialects.registry import DIALECTS
from modelservice.errors import NOT_FOUND, UNAVAILABLE, NotReadyError, Refusal
from modelservice.rest.v1 import rest_service_pb2
from modelservice.rpc.admission import Answers, admit, loaded
from modelservice.rpc.boundary import Boundary, Handler
from modelservice.rpc.call import Call
from modelservice.rpc.content_encoding import http_body

REST_SERVICE: Final = rest_service_pb2.DESCRIPTOR.services_by_name["RestService"].full_name

# The path and query of a REST request, saved by the transcoder. Envoy removes the header from clients' requests.
ORIGINAL_PATH: Final = "x-envoy-original-path"
# Envoy turns the parameter into the status of the response (edge/responses.lua).
_ERROR_TYPE: Final = "application/json;status={}"
# In characters: what gRPC's own thread reads of a header. Paths of models are shorter, even percent-encoded.
_LONGEST: Final = ((ORIGINAL_PATH, 1_024), ("accept-encoding", 256))


class RestService(grpc.GenericRpcHandler):
    """The service's handlers. Calls with short ready answers are answered in gRPC's own thread.

    They refuse calls as `UNAVAILABLE` until the catalogue is loaded.
    """

    def __init__(self, catalogue: Answers, tokens: TokenVerifier | None, boundary: Boundary) -> None:
        self._catalogue = catalogue
        self._verify = tokens.verify if tokens else None
        self._recall = tokens.recall if tokens else None
        # By method: first what looks for a ready answer, then the handler of every other call.
        self._methods = {
            name: (
                boundary.ready_finder(name, partial(self._find_ready, resource), _shaped),
                boundary.handler(name, partial(self._answer, resource), shape=_shaped),
            )
            for resource in Resource
            for name in [f"/{REST_SERVICE}/{resource.value}"]
        }

    def service(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """Returns the handler of a call, or None if it is for another service."""
        method = self._methods.get(details.method)
        if method is None:
            return None
        find_ready, handler = method
        return find_ready(details.invocation_metadata) or handler

    def _answer(self, resource: Resource, call: Call) -> bytes:
        return _answer(call, _address(call, resource), loaded(self._catalogue), self._verify)

    def _find_ready(self, resource: Resource, call: Call) -> bytes:
        for name, most in _LONGEST:
            for value in call.values(name):
                if len(value) > most:
                    raise NotReadyError
        address = _address(call, resource)
        if address.query:
            raise NotReadyError
        return _answer(call, address, loaded(self._catalogue).ready, self._recall)


def _answer(call: Call, address: Address, snapshot: Snapshot, verify: Verify | None) -> bytes:
    caller, dialect = admit(call, snapshot, verify), DIALECTS[address.dialect]
    if address.resource is Resource.LIST:
        answer = dialect.list_models(snapshot, caller, address.query)
    else:
        answer = dialect.get_model(snapshot, caller, address.model_id, address.query)
    return http_body(answer, call.values("accept-encoding"))


def _address(call: Call, resource: Resource) -> Address:
    paths = call.values(ORIGINAL_PATH)
    if not paths:
        # Called by its own name, not transcoded from a REST path. That is no public API.
        raise Refusal(NOT_FOUND)
    address = read_address(str(paths[0]))
    if address.resource is not resource:
        raise Refusal(NOT_FOUND, reason="the transcoder read the path differently")
    return address


def _shaped(call: Call, refusal: Refusal) -> bytes | None:
    """Returns an error as a response in its dialect, or None if it is a status."""
    paths = call.values(ORIGINAL_PATH)
    # Envoy asks another server after UNAVAILABLE, and a caller that is not Envoy understands no other form.
    if refusal.kind == UNAVAILABLE or not paths:
        return None
    content_type = _ERROR_TYPE.format(refusal.kind.http_status)
    body = DIALECTS[dialect_of(str(paths[0]))].error(refusal)
    return serialize(HttpBody(content_type=content_type, data=to_json(body)))

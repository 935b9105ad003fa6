"""RestService: what Envoy calls for REST requests. It reads path and query, and answers in the path's dialect."""

from __future__ import annotations

from typing import Final

import grpc
from google.api.httpbody_pb2 import HttpBody

from modelservice.auth.authenticate import Verify
from modelservice.auth.token import TokenVerifier
from modelservice.catalogue.rendering import serialize, to_json
from modelservice.catalogue.snapshot import ReadySnapshot, Snapshot
from modelservice.dialects.paths import DOCUMENTS, Address, Resource, read_address
from modelservice.dialects.registry import DIALECTS
from modelservice.errors import NOT_FOUND, UNAVAILABLE, Refusal
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


class RestService(grpc.GenericRpcHandler):
    """The service's handlers. Calls with short ready answers are answered in gRPC's own thread.

    They refuse calls as `UNAVAILABLE` until the catalogue is loaded.
    """

    def __init__(self, catalogue: Answers, tokens: TokenVerifier | None, boundary: Boundary) -> None:
        self._catalogue = catalogue
        self._verify = tokens.verify if tokens else None
        self._recall = tokens.recall if tokens else None
        # The newest snapshot, and its ready answers.
        self._ready: tuple[Snapshot, ReadySnapshot] | None = None
        names = {f"/{REST_SERVICE}/{resource.value}" for resource in Resource}
        self._handlers = {name: boundary.handler(name, self._answer, shape=_shaped) for name in names}
        self._inline = {name: boundary.inline_handler(name, self._ready_answer) for name in names}

    def service(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """Returns the handler of a call, or None if it is for another service."""
        look = self._inline.get(details.method)
        if look is None:
            return None
        return look(details.invocation_metadata) or self._handlers[details.method]

    def _answer(self, call: Call) -> bytes:
        address = _address(call)
        return _answered(call, address, loaded(self._catalogue), self._verify)

    def _ready_answer(self, call: Call) -> bytes:
        address, snapshot = _address(call), loaded(self._catalogue)
        ready = self._ready
        if ready is None or ready[0] is not snapshot:
            ready = self._ready = (snapshot, ReadySnapshot.of(snapshot))
        return _answered(call, address, ready[1], self._recall)


def _answered(call: Call, address: Address, snapshot: Snapshot, verify: Verify | None) -> bytes:
    caller, dialect = admit(call, snapshot, verify), DIALECTS[address.dialect]
    if address.resource == Resource.LIST:
        answer = dialect.list_models(snapshot, caller, address.query)
    else:
        answer = dialect.get_model(snapshot, caller, address.model_id, address.query)
    return http_body(answer, call.values("accept-encoding"))


def _address(call: Call) -> Address:
    paths = call.values(ORIGINAL_PATH)
    if not paths:
        # Called by its own name, not transcoded from a REST path. That is no public API.
        raise Refusal(NOT_FOUND)
    return read_address(str(paths[0]))


def _shaped(call: Call, refusal: Refusal) -> bytes | None:
    """Returns an error as a response in its dialect, or None if it is a status."""
    # Envoy asks another server after this status, and a caller that is not Envoy understands no other form.
    if refusal.kind == UNAVAILABLE or not call.values(ORIGINAL_PATH):
        return None
    try:
        name = _address(call).dialect
    except Refusal:
        name = DOCUMENTS
    content_type = _ERROR_TYPE.format(refusal.kind.http_status)
    return serialize(HttpBody(content_type=content_type, data=to_json(DIALECTS[name].error(refusal))))

"""The services: ModelService for gRPC callers, RestService for Envoy.

Both have the same methods over the same catalogue, and differ only in how they serialize answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

import grpc

from modelservice.auth.authenticate import authenticate
from modelservice.auth.authorize import Viewer, viewer
from modelservice.auth.token import TokenVerifier
from modelservice.catalogue.query.filtered_list import FilteredList
from modelservice.catalogue.rendering import Answer
from modelservice.catalogue.snapshot import Snapshot
from modelservice.errors import NOT_FOUND, UNAVAILABLE, Refusal
from modelservice.rest.v1 import rest_service_pb2
from modelservice.rpc.boundary import Boundary, Call
from modelservice.rpc.content_encoding import http_body
from modelservice.rpc.parameters import Parameters, check_parameters, parameters_of
from cloakrai.v1 import model_service_pb2 as pb

MODEL_SERVICE: Final = pb.DESCRIPTOR.services_by_name["ModelService"].full_name
REST_SERVICE: Final = rest_service_pb2.DESCRIPTOR.services_by_name["RestService"].full_name

# The path and query of a REST request, saved by the transcoder. Envoy removes the header from clients' requests.
_ORIGINAL_PATH: Final = "x-envoy-original-path"
_LIST_PARAMETERS: Final = parameters_of(pb.ListModelsRequest)
_GET_PARAMETERS: Final = parameters_of(pb.GetModelRequest, in_path="model_id")
# Names the organization for which a key of none acts.
ORGANIZATION_KEY: Final = "x-modelservice-organization"


class Answers(Protocol):
    """Holds the newest catalogue (`catalogue.refresher`)."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest catalogue; None until one is loaded."""


def service_handlers(
    catalogue: Answers, tokens: TokenVerifier | None, boundary: Boundary
) -> list[grpc.GenericRpcHandler]:
    """Returns the handlers of both services. They refuse calls as `UNAVAILABLE` until the catalogue is loaded."""

    def list_models(call: Call) -> Answer | FilteredList:
        snapshot, caller = _admit(call, catalogue, tokens, _LIST_PARAMETERS)
        request = call.receive(pb.ListModelsRequest)
        if not request.ListFields():
            return snapshot.list(caller)
        return snapshot.choose(request, caller)

    def get_model(call: Call) -> Answer:
        snapshot, caller = _admit(call, catalogue, tokens, _GET_PARAMETERS)
        return snapshot.get(call.receive(pb.GetModelRequest).model_id, caller)

    def for_callers(method: Callable[[Call], Answer | FilteredList]) -> Callable[[Call], bytes]:
        return lambda call: method(call).message

    def for_envoy(method: Callable[[Call], Answer | FilteredList]) -> Callable[[Call], bytes]:
        def run(call: Call) -> bytes:
            if not call.values(_ORIGINAL_PATH):
                # Called by its own name, not transcoded from a REST path. That is no public API.
                raise Refusal(NOT_FOUND)
            return http_body(method(call), call.values("accept-encoding"))

        return run

    methods = {"ListModels": list_models, "GetModel": get_model}
    return [
        grpc.method_handlers_generic_handler(
            service,
            {name: boundary.handler(f"/{service}/{name}", face(method)) for name, method in methods.items()},
        )
        for service, face in ((MODEL_SERVICE, for_callers), (REST_SERVICE, for_envoy))
    ]


class UnknownMethods(grpc.GenericRpcHandler):
    """Refuses every method with a documented error. Must be a server's last handler."""

    def __init__(self, boundary: Boundary) -> None:
        def refuse(_: Call) -> bytes:
            raise Refusal(NOT_FOUND)

        # Not the called name: text that a caller sent belongs in neither log nor metrics.
        self._handler = boundary.handler("unknown", refuse)

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Returns the refusing handler for any method."""
        return self._handler


def _admit(
    call: Call, catalogue: Answers, tokens: TokenVerifier | None, parameters: Parameters
) -> tuple[Snapshot, Viewer]:
    """Returns the snapshot that the call is answered from, and what decides which models its caller sees."""
    snapshot = catalogue.snapshot
    if snapshot is None:
        raise Refusal(UNAVAILABLE)
    call.principal = authenticate(call.values("authorization"), snapshot, tokens, time.time())
    # For the log, should the next line refuse.
    call.organization_id = call.principal.organization_id
    caller = viewer(call.principal, call.values(ORGANIZATION_KEY))
    call.organization_id = caller.organization_id
    for path in call.values(_ORIGINAL_PATH):
        check_parameters(str(path), parameters)
    return snapshot, caller

"""ModelService: the public gRPC API."""

from __future__ import annotations

from typing import Final

import grpc

from cloakrai.v1 import model_service_pb2 as pb
from modelservice.auth.token import TokenVerifier
from modelservice.errors import NOT_FOUND, Refusal
from modelservice.rpc.admission import Answers, admit, loaded
from modelservice.rpc.boundary import Boundary, Handler
from modelservice.rpc.call import Call

MODEL_SERVICE: Final = pb.DESCRIPTOR.services_by_name["ModelService"].full_name


def model_service(catalogue: Answers, tokens: TokenVerifier | None, boundary: Boundary) -> grpc.GenericRpcHandler:
    """Returns the handlers of the service. They refuse calls as `UNAVAILABLE` until the catalogue is loaded."""
    verify = tokens.verify if tokens else None

    def list_models(call: Call) -> bytes:
        snapshot = loaded(catalogue)
        caller = admit(call, snapshot, verify)
        request = call.receive(pb.ListModelsRequest)
        answer = snapshot.choose(request, caller) if request.ListFields() else snapshot.list(caller)
        return answer.message

    def get_model(call: Call) -> bytes:
        snapshot = loaded(catalogue)
        caller = admit(call, snapshot, verify)
        return snapshot.get(call.receive(pb.GetModelRequest).model_id, caller).message

    methods = {"ListModels": list_models, "GetModel": get_model}
    return grpc.method_handlers_generic_handler(
        MODEL_SERVICE, {name: boundary.handler(f"/{MODEL_SERVICE}/{name}", run) for name, run in methods.items()}
    )


class UnknownMethods(grpc.GenericRpcHandler):
    """Refuses every method with a documented error. Must be a server's last handler."""

    def __init__(self, boundary: Boundary) -> None:
        def refuse(_: Call) -> bytes:
            raise Refusal(NOT_FOUND)

        # Not the called name: text that a caller sent belongs in neither log nor metrics.
        self._handler = boundary.handler("unknown", refuse)

    def service(self, _: grpc.HandlerCallDetails) -> Handler:
        """Returns the refusing handler for any method."""
        return self._handler

"""The least that a synchronous grpcio server can do: a bearer check, and an answer that is ready."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

from tests.benchmark.peers.arguments import Arguments, arguments


def handler(given: Arguments, answer: bytes) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def handle(_request: bytes, context: grpc.ServicerContext) -> bytes:
        authorization = next((value for name, value in context.invocation_metadata() if name == "authorization"), "")
        if not given.accepts(authorization):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
        return answer

    return handle


given = arguments()
server = grpc.server(ThreadPoolExecutor(max_workers=8))
methods = {
    name: grpc.unary_unary_rpc_method_handler(handler(given, given.read(file)))
    for name, file in (("GetModel", "get.pb"), ("ListModels", "list.pb"))
}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("modelservice.v1.ModelService", methods),))
server.add_insecure_port(f"127.0.0.1:{given.port}")
server.start()
server.wait_for_termination()

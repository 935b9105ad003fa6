"""grpc.aio on uvloop, with answers that are ready: no message is decoded or built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc
import uvloop

from tests.benchmark.peers.arguments import Arguments, arguments

Handler = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


def handler(given: Arguments, answer: bytes) -> Handler:
    async def handle(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        authorization = next((value for name, value in context.invocation_metadata() if name == "authorization"), "")
        if not given.accepts(authorization):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED)
        return answer

    return handle


async def serve(given: Arguments) -> None:
    server = grpc.aio.server()
    methods = {
        name: grpc.unary_unary_rpc_method_handler(handler(given, given.read(file)))
        for name, file in (("GetModel", "get.pb"), ("ListModels", "list.pb"))
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("modelservice.v1.ModelService", methods),))
    server.add_insecure_port(f"127.0.0.1:{given.port}")
    await server.start()
    await server.wait_for_termination()


uvloop.run(serve(arguments()))

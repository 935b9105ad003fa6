"""grpc.aio with typed messages, built for each call: how most Python servers are written."""

from __future__ import annotations

import asyncio

import grpc

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tests.benchmark.peers.arguments import Arguments, arguments
from tests.benchmark.peers.records import Catalogue

Context = grpc.aio.ServicerContext


class Servicer(ModelServiceServicer):
    def __init__(self, given: Arguments) -> None:
        self._given = given
        self._catalogue = Catalogue(given.read("list.json"), given.read("get.json"))

    async def ListModels(self, _: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802  (the rpc's name)
        await self._authenticate(context)
        return self._catalogue.list()

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.Model:  # noqa: N802  (the rpc's name)
        await self._authenticate(context)
        model = self._catalogue.get(request.model_id)
        if model is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return model

    async def _authenticate(self, context: Context) -> None:
        authorization = next((value for name, value in context.invocation_metadata() if name == "authorization"), "")
        if not self._given.accepts(authorization):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED)


async def serve(given: Arguments) -> None:
    server = grpc.aio.server()
    add_ModelServiceServicer_to_server(Servicer(given), server)
    server.add_insecure_port(f"127.0.0.1:{given.port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))

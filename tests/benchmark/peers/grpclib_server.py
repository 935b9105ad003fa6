"""grpclib, which is gRPC in Python alone, on uvloop, with typed messages that are built for each call."""

from __future__ import annotations

import uvloop
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from grpclib.utils import graceful_exit

from cloakrai.v1 import model_service_pb2 as pb
from tests.benchmark.peers.arguments import Arguments, arguments
from tests.benchmark.peers.records import Catalogue


class Service:
    def __init__(self, given: Arguments) -> None:
        self._given = given
        self._catalogue = Catalogue(given.read("list.json"), given.read("get.json"))

    async def list_models(self, stream: Stream[pb.ListModelsRequest, pb.ListModelsResponse]) -> None:
        await self._request(stream)
        await stream.send_message(self._catalogue.list())

    async def get_model(self, stream: Stream[pb.GetModelRequest, pb.Model]) -> None:
        request = await self._request(stream)
        model = self._catalogue.get(request.model_id)
        if model is None:
            raise GRPCError(Status.NOT_FOUND)
        await stream.send_message(model)

    async def _request(self, stream: Stream) -> pb.GetModelRequest | pb.ListModelsRequest:
        if not self._given.accepts(str(stream.metadata.get("authorization", ""))):
            raise GRPCError(Status.UNAUTHENTICATED)
        return await stream.recv_message()

    def __mapping__(self) -> dict[str, Handler]:
        name = "/modelservice.v1.ModelService/"
        return {
            f"{name}ListModels": Handler(
                self.list_models, Cardinality.UNARY_UNARY, pb.ListModelsRequest, pb.ListModelsResponse
            ),
            f"{name}GetModel": Handler(self.get_model, Cardinality.UNARY_UNARY, pb.GetModelRequest, pb.Model),
        }


async def serve(given: Arguments) -> None:
    server = Server([Service(given)])
    with graceful_exit([server]):
        await server.start("127.0.0.1", given.port)
        await server.wait_closed()


uvloop.run(serve(arguments()))

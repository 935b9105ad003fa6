"""A server that is asked while its database suffers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import grpc

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import update_models
from tests.support.calls import bearer
from tests.support.harness import Place, Process, channel, wait_until
from tests.support.service import prepare

MODEL = "gpt-4o"


class Serving:
    """A running server, and one who asks it."""

    def __init__(self, place: Place, process: Process, stub: ModelServiceStub, key: str) -> None:
        self.place = place
        self.process = process
        self._stub = stub
        self._key = key

    def context_window(self) -> int:
        """Asks for the model. Fails when there is no answer."""
        request = pb.GetModelRequest(model_id=MODEL)
        return self._stub.GetModel(request, metadata=bearer(self._key), timeout=5).context_window

    def answers(self) -> bool:
        try:
            return self.context_window() > 0
        except grpc.RpcError:
            return False

    def admits(self, key: str) -> bool:
        """Says whether a key opens the service."""
        try:
            self._stub.ListModels(pb.ListModelsRequest(), metadata=bearer(key), timeout=5)
        except grpc.RpcError:
            return False
        return True

    def change(self, context_window: int, url: str | None = None) -> None:
        """Changes the model in the database."""
        fields = {"context_window": context_window}
        update_models(url or self.place.database_url, "test", [ModelRef(MODEL)], fields, prompt_quota=0)

    def wait_for_change(self, context_window: int) -> None:
        wait_until(lambda: self.context_window() == context_window, f"the server knows of {context_window}")


@contextlib.contextmanager
def serving(place: Place, key: str | None = None) -> Iterator[Serving]:
    """Starts a server over the place's database; without a key, the documented catalogue is put there first."""
    key = key or prepare(place).reader
    with Process(place, "serve") as process, channel(place.grpc) as one:
        process.wait_for('"SERVING"')
        yield Serving(place, process, ModelServiceStub(one), key)
        assert process.popen.poll() is None, process.errors


CANNOT = "the database cannot be read"


AGAIN = "the database can be read again"


def file_of(place: Place) -> Path:
    return place.folder / "test.db"

"""Callers who ask without a pause, over REST and gRPC, while something happens to the service."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

import grpc

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from tests.support.harness import DEADLINE, Place, channel, wait_until

MODEL = "gpt-4o"


class Load:
    """Runs until its block ends. Each caller keeps its connection, and asks for the list and a model in turn.

    Args:
        place: Where the service is.
        credential: Returns the credential for the next request, and what to count it under.
        ways: Who asks, and how: `REST`, `gRPC`, `gRPC through Envoy`.

    Attributes:
        failures: What went wrong.
        answered: How many requests were answered, by what they were counted under.
    """

    def __init__(
        self, place: Place, credential: Callable[[], tuple[str, str]], ways: tuple[str, ...], clients: int
    ) -> None:
        self._place = place
        self._credential = credential
        self._done = threading.Event()
        self.failures: list[object] = []
        self.answered: Counter[str] = Counter()
        self._lock = threading.Lock()
        run = {"REST": self._rest, "gRPC": self._direct, "gRPC through Envoy": self._through_envoy}
        self._threads = [threading.Thread(target=run[ways[number % len(ways)]]) for number in range(clients)]

    def wait_for_more(self, count: int, under: str) -> None:
        """Waits until so many more requests were answered."""
        before = self.answered[under]
        wait_until(
            lambda: self.failures or self.answered[under] >= before + count,
            lambda: f"{count} answers more than {before}: {self.answered}",
        )

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _count(self, under: str, failure: object = None) -> None:
        with self._lock:
            if failure is None:
                self.answered[under] += 1
            else:
                self.failures.append((under, failure))

    def _rest(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._place.http_port, timeout=DEADLINE)
        targets = ["/v1/models", f"/v1/models/{MODEL}"]
        while not self._done.is_set():
            targets.reverse()
            credential, under = self._credential()
            try:
                connection.request("GET", targets[0], headers={"authorization": f"Bearer {credential}"})
                answer = connection.getresponse()
                body = answer.read()
                self._count(under, None if answer.status == 200 else (answer.status, body))
            except (OSError, http.client.HTTPException) as error:
                self._count(under, error)
                connection.close()
        connection.close()

    def _direct(self) -> None:
        self._native(self._place.grpc)

    def _through_envoy(self) -> None:
        self._native(self._place.http)

    def _native(self, address: str) -> None:
        with channel(address) as one:
            stub = ModelServiceStub(one)
            listing = False
            while not self._done.is_set():
                listing = not listing
                credential, under = self._credential()
                metadata = (("authorization", f"Bearer {credential}"),)
                try:
                    if listing:
                        stub.ListModels(pb.ListModelsRequest(), metadata=metadata, timeout=DEADLINE)
                    else:
                        stub.GetModel(pb.GetModelRequest(model_id=MODEL), metadata=metadata, timeout=DEADLINE)
                    self._count(under)
                except grpc.RpcError as error:
                    self._count(under, error)

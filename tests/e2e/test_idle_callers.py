"""Callers who open calls and send or read nothing hold nobody up."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import grpc
import h2.connection
import h2.settings
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.rpc.health import WATCHERS_MAX
from tests.support.calls import GET, bearer
from tests.support.harness import Place, Process, channel, streaming, wait_until
from tests.support.service import Keys, prepare

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
# In seconds. What is measured is in docs/security.md; this is where "held up" begins even on a busy machine.
AT_ONCE = 2.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Keys, Process]]:
    """A service of these tests' own: nobody else's calls are in the way."""
    place = Place(tmp_path_factory.mktemp("idle"))
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield place, keys, process


def others_are_served(place: Place, keys: Keys) -> None:
    """Calls Check and GetModel, each with a deadline."""
    with channel(place.grpc) as one:
        for _ in range(20):
            status = HealthStub(one).Check(health_pb2.HealthCheckRequest(), timeout=AT_ONCE).status
            assert health_pb2.HealthCheckResponse.SERVING == status
            request = pb.GetModelRequest(model_id="gpt-4o")
            assert ModelServiceStub(one).GetModel(request, metadata=bearer(keys.reader), timeout=AT_ONCE).id


@pytest.mark.parametrize("method", [GET, CHECK])
@pytest.mark.parametrize("with_key", [True, False], ids=["with a key", "without"])
@pytest.mark.parametrize("way", ["direct", "through Envoy"])
def test_200_calls_without_a_message(
    own: tuple[Place, Keys, Process], method: str, way: str, *, with_key: bool
) -> None:
    place, keys, _ = own
    release = threading.Event()

    def silence() -> Iterator[bytes]:
        release.wait()
        yield from ()

    with contextlib.ExitStack() as stack:
        stack.callback(release.set)
        address = place.grpc if way == "direct" else place.http
        for _ in range(4):
            one = stack.enter_context(channel(address))
            grpc.channel_ready_future(one).result(AT_ONCE)
            open_call = streaming(one, method)
            calls = [open_call.future(silence(), metadata=bearer(keys.reader) if with_key else ()) for _ in range(50)]
        others_are_served(place, keys)
        if way == "direct":
            wait_until(lambda: all(call.done() for call in calls), "the calls are ended")
            assert {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAUTHENTICATED} > {call.code() for call in calls}


class DeafClient:
    """A gRPC client that opens streams of Watch and lets the server send it no byte of their answers."""

    def __init__(self, place: Place) -> None:
        self._socket = socket.create_connection(("127.0.0.1", place.grpc_port), timeout=AT_ONCE)
        self._h2 = h2.connection.H2Connection()
        self._h2.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
        )
        self._h2.initiate_connection()
        self._flush()

    def watch(self, count: int) -> None:
        for _ in range(count):
            stream = self._h2.get_next_available_stream_id()
            headers = [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", WATCH),
                (":authority", "x"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            ]
            self._h2.send_headers(stream, headers)
            self._h2.send_data(stream, b"\0\0\0\0\0", end_stream=True)
        self._flush()

    def close(self) -> None:
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())


def test_100_watchers_who_read_nothing(own: tuple[Place, Keys, Process]) -> None:
    place, keys, _ = own
    with contextlib.closing(DeafClient(place)) as deaf, channel(place.grpc) as one:
        deaf.watch(100)
        patient = [HealthStub(one).Watch(health_pb2.HealthCheckRequest()) for _ in range(10)]

        others_are_served(place, keys)
        assert {health_pb2.HealthCheckResponse.SERVING} == {next(watch).status for watch in patient}


def test_one_watcher_too_many_is_refused_and_room_is_made_again(own: tuple[Place, Keys, Process]) -> None:
    place, keys, _ = own

    def watch_with(one: grpc.Channel) -> object:
        try:
            return next(HealthStub(one).Watch(health_pb2.HealthCheckRequest(), timeout=AT_ONCE)).status
        except grpc.RpcError as error:
            return error.code(), error.details()

    refused = (grpc.StatusCode.UNAVAILABLE, "Too many watchers")
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(contextlib.closing(DeafClient(place)))
        one = stack.enter_context(channel(place.grpc))

        def full() -> bool:
            if watch_with(one) == refused:
                return True
            deaf.watch(8)
            return False

        deaf.watch(WATCHERS_MAX - 8)
        wait_until(full, "a watcher too many is refused")
        others_are_served(place, keys)
    with channel(place.grpc) as one:
        wait_until(lambda: watch_with(one) == health_pb2.HealthCheckResponse.SERVING, "a watcher is taken again")


def test_a_server_full_of_silent_callers_drains(place: Place) -> None:
    prepare(place)
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "0"
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        with contextlib.closing(DeafClient(place)) as deaf:
            deaf.watch(WATCHERS_MAX)
            assert 0 == process.end()

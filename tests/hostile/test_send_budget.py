"""Readers of a long list who read nothing: what lies unread is bounded, and others are served."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.hostile.deaf import GRPC_LIST, LIST, WAYS, deaf
from tests.hostile.limiting import Many, p99, prepare_many, refused
from tests.support.calls import bearer, details
from tests.support.harness import Place, Process, channel, memory, statistic, unary, wait_until

pytestmark = pytest.mark.slow

MODEL = "/v1/models/provider-0/model-0"
# In MB: what lies unread in Envoy (an eighth of its 256 MB here), and in the server (rpc/send_budget.py), with
# what a process needs beside it: a caller's answers on their way, and what the allocator keeps.
ENVOY_MAX, SERVER_MAX = 32 + 150, 64 + 150
REFUSED = {"error": {"type": "rate_limit_error", "message": "Too many requests", "code": "rate_limited"}}


def grown(process: Process, before: dict[str, float]) -> dict[str, float]:
    """Returns by how many MB each process has more than before, at most."""
    return {name: memory(pid, "VmHWM") - before[name] for name, pid in process.children().items()}


def attack(many: Many, way: str, readers: int, times: int, tell: Callable[[str], None]) -> None:
    place, process, key, other = many
    wait_until(lambda: place.rest(LIST, key).status == 200, "the list is there")
    alone = p99(place, MODEL, other, times)
    before = {name: memory(pid) for name, pid in process.children().items()}
    with deaf(place.http_port, place.grpc_port, way) as readers_:
        readers_.ask(key, readers)
        beside = p99(place, MODEL, other, times)
        if way == "HTTP/1.1":
            wait_until(lambda: len(readers_.statuses()) == readers, "each reader has the begin of an answer")
            assert {200, 429} == set(readers_.statuses())
        growth = grown(process, before)
        grew = ", ".join(f"{name} {more:.0f} MB more" for name, more in growth.items())
        tell(f"{grew}; p99 of others {beside:.1f} ms ({alone:.1f} alone)")
        assert growth["envoy"] < ENVOY_MAX, growth
        assert growth["server"] < SERVER_MAX, growth
        assert 200 == place.rest(MODEL, other).status
        # Another credential has the list, too.
        wait_until(lambda: place.rest(LIST, other).status == 200, "another gets the list")
    wait_until(lambda: place.rest(LIST, key).status == 200, "there is room again")


@pytest.mark.parametrize("way", WAYS)
def test_60_readers_who_read_nothing(many: Many, way: str, tell: Callable[[str], None]) -> None:
    attack(many, way, 60, 50, tell)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_300_readers_who_read_nothing(many: Many, way: str, tell: Callable[[str], None]) -> None:
    attack(many, way, 300, 1_000, tell)


def test_what_the_server_refuses_is_documented(many: Many) -> None:
    place, _, key, other = many
    with deaf(place.http_port, place.grpc_port, "gRPC past Envoy") as readers, channel(place.grpc) as one:
        readers.ask(key, 100)

        def refusal() -> grpc.RpcError | None:
            try:
                unary(one, GRPC_LIST)(b"", metadata=bearer(key), timeout=20)
            except grpc.RpcError as error:
                return error
            return None

        wait_until(refusal, "a list is refused")
        error = refusal()
        assert error
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests") == (error.code(), error.details())
        assert "RATE_LIMITED" == details(error)[1].reason
        answer = place.rest(LIST, key)
        assert (429, REFUSED) == (answer.status, answer.json)
        # One credential has half of the room at most.
        assert unary(one, GRPC_LIST)(b"", metadata=bearer(other), timeout=20)


def test_what_envoy_refuses_is_documented(many: Many) -> None:
    place, _, key, _ = many
    with deaf(place.http_port, place.grpc_port, "HTTP/2") as readers:
        readers.ask(key, 100)
        answer = refused(place, LIST, key)
        assert (429, REFUSED) == (answer.status, answer.json)
        assert ("application/json", "1") == (answer.headers["content-type"], answer.headers["retry-after"])
        assert not {"etag", "content-encoding"} & answer.headers.keys()
        # What is short is never refused.
        assert 200 == place.rest(MODEL, key).status


def test_one_looks_for_all_who_read(place: Place) -> None:
    key, _ = prepare_many(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        wait_until(lambda: place.rest(LIST, key).status == 200, "the list is there")
        looks = r"cluster\.administration\.upstream_rq_total"
        before = statistic(place, looks)
        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(lambda _: place.rest(LIST, key).status, range(200)))

        assert [200] * 200 == statuses
        # One for each 8 MB, which is less than three of these lists.
        assert statistic(place, looks) - before < 100


def test_one_looks_through_the_administrations_socket(place: Place) -> None:
    key, _ = prepare_many(place)
    place.settings["MODELSERVICE_ENVOY_ADMIN_ADDRESS"] = ""
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        admin = process.envoy_folder() / "envoy-admin.sock"

        def looked() -> bool:
            assert 200 == place.rest(LIST, key).status
            return statistic(admin, r"cluster\.administration\.upstream_rq_200") > 0

        wait_until(looked, "the administration answers")

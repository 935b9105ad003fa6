"""A service and its issuer, of which one may be down while the other is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from tests.support.calls import bearer
from tests.support.harness import Place, Process, channel, wait_until
from tests.support.issuer import Issuer, key_set, member, public, sign
from tests.support.load import Load
from tests.support.service import prepare


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as one:
        yield one


def status(place: Place, token: str) -> int:
    return place.rest("/v1/models/gpt-4o", token).status


@pytest.mark.slow
def test_keys_are_rotated_under_load_and_no_call_fails(place: Place, issuer: Issuer) -> None:
    place.settings |= issuer.settings
    prepare(place)
    key = "key-1"

    def known(new: str) -> Callable[[], bool]:
        return lambda: status(place, sign(member(), new)) == 200

    with Process(place, "run") as process:
        process.wait_for("ready: ")
        with Load(place, lambda: (sign(member(), key), key), ("REST", "gRPC", "gRPC through Envoy"), 6) as load:
            load.wait_for_more(50, key)
            for new in ("key-2", "key-3"):
                # As issuers do it: the new key is published, and used when everybody has it. Here the first token of
                # its own makes the service look for it.
                issuer.keys = [public(key), public(new)]
                wait_until(known(new), f"{new} is known")
                key = new
                load.wait_for_more(50, key)
                issuer.keys = [public(new)]

    assert [] == load.failures
    assert {"key-1", "key-2", "key-3"} == load.answered.keys()


def test_a_key_that_leaves_the_set_opens_nothing_any_more(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(public("key-1"), public("key-2")))
    place.settings |= {"MODELSERVICE_STYTCH_PROJECT_ID": member()["aud"][0], "MODELSERVICE_JWT_JWKS": str(file)}
    prepare(place)
    token = sign(member(), "key-1")
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        assert 200 == status(place, token)

        file.write_bytes(key_set(public("key-2")))

        wait_until(lambda: status(place, token) == 401, "the key is gone")
        assert 200 == status(place, sign(member(), "key-2"))


def test_without_an_issuer_keys_of_the_api_work_and_tokens_when_it_comes(place: Place, issuer: Issuer) -> None:
    place.settings |= issuer.settings
    keys = prepare(place)
    issuer.answer = lambda: (503, {}, [b"down"])
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        answer = place.rest("/v1/models", sign(member()))
        assert (503, "unavailable") == (answer.status, answer.json["error"]["code"])
        with channel(place.grpc) as one:
            with pytest.raises(grpc.RpcError) as raised:
                ModelServiceStub(one).ListModels(pb.ListModelsRequest(), metadata=bearer(sign(member())))
            assert grpc.StatusCode.UNAVAILABLE == raised.value.code()
            assert (
                health_pb2.HealthCheckResponse.SERVING == HealthStub(one).Check(health_pb2.HealthCheckRequest()).status
            )
        assert 200 == status(place, keys.reader)
        assert 401 == status(place, "rubbish")
        assert 200 == place.rest("/readyz").status
        assert 1 == process.errors.count('"message": "issuer keys unavailable"')
        assert '"reason": "the issuer responded with status 503"' in process.errors

        issuer.answer = None

        wait_until(lambda: status(place, sign(member())) == 200, "the issuer is back")


def test_an_issuer_that_does_not_answer_holds_nobody_up(place: Place, issuer: Issuer) -> None:
    place.settings |= issuer.settings
    keys = prepare(place)
    # Not a byte, until the test ends.
    issuer.slowness = 3600.0
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        for _ in range(5):
            assert 503 == status(place, sign(member()))
            assert 200 == status(place, keys.reader)
        # Nor does the end.
        assert 0 == process.end()
        assert 1 == issuer.asked

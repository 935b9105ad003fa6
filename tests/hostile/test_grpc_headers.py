"""Headers that gRPC's library reads by itself, with values that it does not know.

One connection carries the calls of all callers to a server, and a bad value of one stays in its table of headers.
"""

from __future__ import annotations

import grpc
import pytest

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from tests.support.harness import Place, Process, channel
from tests.support.service import Keys, Service, prepare

NAMES = ["grpc-internal-encoding-request", "grpc-previous-rpc-attempts", "grpc-retry-pushback-ms", "grpc-status"]
VALUES = ["x", "", "-1", "identity", "9" * 30, "\u00ff"]


@pytest.mark.parametrize("name", NAMES)
def test_what_only_libraries_say_to_each_other_changes_nothing(service: Service, name: str) -> None:
    plain = service.place.rest("/v1/models/gpt-4o", service.keys.reader)
    for value in VALUES:
        answer = service.place.rest("/v1/models/gpt-4o", service.keys.reader, headers={name: value})
        assert (200, plain.body) == (answer.status, answer.body), value


def test_names_that_grpc_has_not_change_nothing(service: Service) -> None:
    plain = service.place.rest("/v1/models/gpt-4o", service.keys.reader)
    # What a name may hold (RFC 9110, 5.6.2), and gRPC's metadata not.
    for character in "!#$%&'*+^`|~":
        for name in (character, f"x{character}", f"{character}-y", f"x{character}-bin"):
            answer = service.place.rest("/v1/models/gpt-4o", service.keys.reader, headers={name: "1"})
            assert (200, plain.body) == (answer.status, answer.body), name


@pytest.mark.parametrize("coding", ["snappy", "", "GZIP", "gzip,gzip", "\u00ff"])
def test_a_coding_of_messages_that_nobody_has_is_refused(service: Service, coding: str) -> None:
    answer = service.place.rest("/v1/models/gpt-4o", service.keys.reader, headers={"grpc-encoding": coding})

    assert (400, "Malformed request") == (answer.status, answer.json["error"]["message"])
    native = {"grpc-encoding": coding, "content-type": "application/grpc"}
    refused = service.place.rest("/modelservice.v1.ModelService/ListModels", method="POST", headers=native)
    assert ("3", "Malformed request") == (refused.headers["grpc-status"], refused.headers["grpc-message"])


def test_a_deadline_that_is_over_at_once_is_a_timeout(service: Service) -> None:
    # Refused by Envoy, by the server, or by gRPC's library before either; or met: it depends.
    answers = [
        service.place.rest("/v1/models", service.keys.reader, headers={"grpc-timeout": "1n"}) for _ in range(100)
    ]

    assert {504} == {answer.status for answer in answers} - {200}
    assert {"timeout"} == {answer.json["error"]["code"] for answer in answers if answer.status == 504}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["modelservice.v1.ModelService/ListModels", "grpc.health.v1.Health/Check", "readyz", "healthz?"]
)
def test_grpc_has_one_method(service: Service, method: str, path: str) -> None:
    native = {"content-type": "application/grpc", "te": "trailers"}
    answer = service.place.rest(f"/{path}", service.keys.reader, method=method, headers=native)

    assert ("12", "Unknown path") == (answer.headers["grpc-status"], answer.headers["grpc-message"])


def sends_compressed(place: Place, keys: Keys) -> int:
    """Calls as one who compresses does, on a new connection; returns how many models are listed."""
    with channel(place.http) as one:
        metadata = (("authorization", f"Bearer {keys.reader}"),)
        listed = ModelServiceStub(one).ListModels(
            pb.ListModelsRequest(q="gpt"), metadata=metadata, compression=grpc.Compression.Gzip
        )
        return len(listed.data)


def test_a_strangers_headers_end_nobody_elses_call(place: Place) -> None:
    # A service that nobody compressed for before: its connections have not seen the header.
    keys = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        # Enough to reach each of Envoy's threads.
        for _ in range(10):
            for name in (*NAMES, "grpc-encoding"):
                assert place.rest("/v1/models/gpt-4o", headers={name: "snappy"}).status in {400, 401}

        assert [5] * 10 == [sends_compressed(place, keys) for _ in range(10)]

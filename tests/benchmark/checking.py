"""Whether a server answers what it should, before anything is measured."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

import grpc

from cloakrai.v1 import model_service_pb2 as pb
from tests.benchmark.measuring import Request
from tests.benchmark.payloads import Payloads
from tests.benchmark.rows import GET, Row
from tests.support.harness import DEADLINE, channel, unary

_WRONG = "Bearer wrong"


@dataclass(frozen=True)
class Answer:
    """A right answer.

    Attributes:
        length: Of its body, in bytes.
        seconds: How long it took.
    """

    length: int
    seconds: float


def check(row: Row, call: str, request: Request, payloads: Payloads) -> Answer:
    """Makes sure that the right caller gets the right answer, twice, and no other caller any. Returns the second."""
    ask = _rest if row.protocol == "REST" else _grpc
    refused: set[Any] = {401, 403} if row.protocol == "REST" else {grpc.StatusCode.UNAUTHENTICATED}
    if row.own_answers:
        # LiteLLM without a database says of an unknown key that it has no database.
        refused.add(400)
    answer = None
    for authorization in (request.headers["authorization"], _WRONG, None, request.headers["authorization"]):
        begun = time.monotonic()
        status, body = ask(request, authorization)
        where = f"{row.label}: {call}: {authorization and authorization[:12]}: {status}: {body[:300]!r}"
        if authorization in {_WRONG, None}:
            assert status in refused, where
            continue
        assert status in {200, grpc.StatusCode.OK}, where
        answer = Answer(len(body), time.monotonic() - begun)
        if row.gzip and body.startswith(b"\x1f\x8b"):
            body = gzip.decompress(body)
        _compare(row, call, body, payloads)
    assert answer
    return answer


def _rest(request: Request, authorization: str | None) -> tuple[int, bytes]:
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=DEADLINE)
    try:
        connection.request(
            "GET", request.path, headers=headers | ({"authorization": authorization} if authorization else {})
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _grpc(request: Request, authorization: str | None) -> tuple[grpc.StatusCode, bytes]:
    metadata = (("authorization", authorization),) if authorization else ()
    with channel(f"127.0.0.1:{request.port}") as one:
        try:
            return grpc.StatusCode.OK, unary(one, request.path)(request.message, metadata=metadata, timeout=DEADLINE)
        except grpc.RpcError as error:
            return error.code(), str(error.details()).encode()


def _compare(row: Row, call: str, body: bytes, payloads: Payloads) -> None:
    name = "get" if call == GET else "list"
    if row.own_answers:
        same = _ids(json.loads(body)) == {f"model-{number}" for number in range(1 if call == GET else payloads.models)}
    elif row.protocol == "REST":
        same = json.loads(body) == json.loads(payloads.read(f"{name}.json"))
    else:
        kind = pb.Model if call == GET else pb.ListModelsResponse
        same = kind.FromString(body) == kind.FromString(payloads.read(f"{name}.pb"))
    assert same, f"{row.label}: {call}: another answer than the service's: {body[:600]!r}"


def _ids(answer: Any) -> set[str]:
    return {entry["id"] for entry in answer.get("data", [answer])}

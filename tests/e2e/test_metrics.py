"""What a server shows to Prometheus."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from modelservice import errors
from modelservice.manage.models import create_model
from tests.support.calls import GET, LIST, Metadata, bearer, call, unknown_model
from tests.support.harness import DEADLINE, Place, Process, channel, unary, wait_until
from tests.support.issuer import Issuer, member, sign
from tests.support.manual import rows
from tests.support.metrics import metrics, read, requests, value
from tests.support.service import Keys, prepare

# Stands in all that these tests send, and nowhere else.
MARK = "marked"


@dataclass(frozen=True)
class Counted:
    """A server that nobody else calls."""

    place: Place
    keys: Keys


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    with Issuer() as issuer:
        place = Place(tmp_path_factory.mktemp("counted"), issuer.settings)
        keys = prepare(place)
        create_model(place.database_url, "test", "acme", "gpt-4o", {"display_name": MARK}, prompt_quota=0)
        with Process(place, "serve") as process:
            process.wait_for('"SERVING"')
            yield Counted(place, keys)


def provoke(counted: Counted) -> None:
    """Makes each kind of call and of refused credential, all of them with a mark."""
    address, reader = counted.place.grpc, bearer(counted.keys.reader)
    marked: Metadata = (*reader, ("x-request-id", MARK), ("x-marked", MARK), ("traceparent", MARK))
    with channel(address) as one:
        assert unary(one, LIST)(b"", metadata=marked)
    call(address, GET, unknown_model(MARK), marked)
    call(address, f"/{MARK}.Service/{MARK}", b"", marked)
    call(address, f"/modelservice.v1.ModelService/{MARK}\N{SNOWMAN}", b"", marked)
    call(address, "/modelservice.rest.v1.RestService/GetModel", unknown_model(MARK), marked)
    call(address, LIST, b"", bearer(counted.keys.without_scope))
    call(address, LIST, b"", (*reader, ("x-modelservice-organization", MARK)))
    for credential in (MARK, f"msk_{MARK}", f"{MARK}.{MARK}.{MARK}", sign(member(MARK), key="key-1", kid=MARK)):
        call(address, LIST, b"", bearer(credential))
    call(address, LIST, b"", bearer(sign(member() | {"iss": MARK})))
    call(address, LIST, b"", bearer(sign(member() | {"sub": f"{MARK} {MARK}"})))


def test_every_call_is_counted_by_method_and_code(counted: Counted) -> None:
    place = counted.place
    cases = [(LIST, "ok"), (GET, "model_not_found"), ("unknown", "not_found"), (LIST, "invalid_api_key")]
    before = [requests(place, *case) for case in cases]
    timed = value(place, "modelservice_request_duration_seconds_count", method=GET)

    with channel(place.grpc) as one:
        for _ in range(3):
            unary(one, LIST)(b"", metadata=bearer(counted.keys.reader))
    call(place.grpc, GET, unknown_model(), bearer(counted.keys.reader))
    call(place.grpc, "/no.Service/Method")
    call(place.grpc, LIST)

    assert [3, 1, 1, 1] == [requests(place, *case) - was for case, was in zip(cases, before, strict=True)]
    assert timed + 1 == value(place, "modelservice_request_duration_seconds_count", method=GET)


def test_a_refused_credential_is_counted_with_the_reason(counted: Counted) -> None:
    place = counted.place
    cases = {
        "invalid_api_key": "msk_nothing",
        "access_denied": counted.keys.without_scope,
        "expired": sign(member(now=time.time() - 3600)),
        "another issuer": sign(member() | {"iss": "somebody"}),
        "malformed": "a.b.c",
    }
    for reason, credential in cases.items():
        before = value(place, "modelservice_credentials_refused_total", reason=reason)
        call(place.grpc, LIST, b"", bearer(credential))
        assert before + 1 == value(place, "modelservice_credentials_refused_total", reason=reason)


def test_no_label_holds_what_a_caller_sent(counted: Counted) -> None:
    provoke(counted)
    place = counted.place
    text = read(place)[1]
    labels = {(name, label) for metric in metrics(place) for s in metric.samples for name, label in s.labels.items()}

    assert MARK not in text
    for secret in (counted.keys.reader, counted.keys.without_scope):
        assert not [part for part in secret.split("_")[1:] if part in text]
    assert {"method", "code", "reason", "kind", "version", "le", "table", "task"} == {name for name, _ in labels}
    assert {label for name, label in labels if name == "code"} <= {kind.code for kind in errors.REFUSALS} | {"ok"}
    methods = {label.rpartition("/")[0] for name, label in labels if name == "method"}
    services = {"/modelservice.v1.ModelService", "/modelservice.rest.v1.RestService", "/grpc.health.v1.Health"}
    assert services | {""} == methods
    assert "unknown" in {label for name, label in labels if name == "method"}


def test_the_manual_has_the_metrics(counted: Counted) -> None:
    provoke(counted)
    expected = []
    for metric in metrics(counted.place):
        if metric.name.startswith("modelservice_"):
            name = metric.name + ("_total" if metric.type == "counter" else "")
            labels = sorted({label for sample in metric.samples for label in sample.labels} - {"le"})
            shown = " ".join(f"`{label}`" for label in labels)
            expected.append([f"`{name}`", metric.type, shown, metric.documentation])

    assert expected == rows("operations.md", "metric")


def test_the_state_is_shown(counted: Counted) -> None:
    place = counted.place

    assert 1 == value(place, "modelservice_ready")
    assert 1 == sum(s.value for m in metrics(place) for s in m.samples if s.name == "modelservice_build_info")
    assert 10 == value(place, "modelservice_catalogue_models", kind="system")
    assert 1 == value(place, "modelservice_catalogue_models", kind="organization")
    assert 2 == value(place, "modelservice_catalogue_keys")
    assert 0 < value(place, "modelservice_catalogue_revision")
    assert DEADLINE > value(place, "modelservice_catalogue_age_seconds") > 0
    assert 0 == value(place, "modelservice_refresh_failures_total")
    assert 0 == value(place, "modelservice_catalogue_quarantined_rows", table="api_keys")
    assert 0 == value(place, "modelservice_task_failing", task="refresher")
    assert 0 < value(place, "process_cpu_seconds_total")


def test_nothing_else_is_there(counted: Counted) -> None:
    assert [200, 200, 404, 404] == [
        read(counted.place, path)[0] for path in ("/metrics", "/metrics?a=b", "/", "/metrics/x")
    ]


def test_a_server_without_a_database_shows_that_it_is_not_ready(place: Place) -> None:
    with Process(place, "serve") as process:
        process.wait_for("does not exist: run `modelservice init`")
        assert [0, 0] == [value(place, "modelservice_ready"), value(place, "modelservice_catalogue_revision")]
        wait_until(lambda: value(place, "modelservice_refresh_failures_total") > 2, "failures are counted")

        prepare(place)

        wait_until(lambda: value(place, "modelservice_ready") == 1, "the server is ready")


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/other", 404)])
def test_head_has_the_headers_of_get(counted: Counted, path: str, status: int) -> None:
    get, head = (counted.place.rest(path, method=method, port=counted.place.metrics_port) for method in ("GET", "HEAD"))

    assert (status, status, b"") == (get.status, head.status, head.body)
    assert get.headers["content-type"] == head.headers["content-type"]
    assert "content-length" in head.headers


def test_metrics_can_be_switched_off(place: Place) -> None:
    place.settings["MODELSERVICE_METRICS_ADDRESS"] = "off"
    prepare(place)
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        with pytest.raises(ConnectionRefusedError):
            read(place)
        assert 0 == process.end()


def test_metrics_are_shown_until_the_end(place: Place) -> None:
    prepare(place)
    place.settings["MODELSERVICE_DRAIN_SECONDS"] = "300"
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        # Who says nothing holds up neither other readers nor the end.
        with socket.create_connection(("127.0.0.1", place.metrics_port)):
            process.popen.terminate()
            process.wait_for('"draining"')
            assert 0 == value(place, "modelservice_ready")
            assert 0 == process.end()

"""Each of Envoy's limits is exceeded.

Those of headers, addresses, bodies and messages are in tests/contract/test_errors.py, those of connections and times in
test_slow.py.
"""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
import yaml

from modelservice.manage.system_catalogue import import_catalogue
from modelservice.rpc.content_encoding import BYTES_MAX
from tests.hostile.deaf import deaf
from tests.hostile.limiting import Many, changed, prepare_many, refused
from tests.support.calls import GET, bearer, unknown_model
from tests.support.envoy import UNAVAILABLE
from tests.support.harness import DEADLINE, ROOT, Place, Process, channel, statistic, unary, wait_until
from tests.support.service import Service, prepare

MODEL = "/v1/models/gpt-4o"
SOURCE = yaml.safe_load((ROOT / "envoy.yaml").read_text())
LISTENER = SOURCE["static_resources"]["listeners"][0]
MANAGER = LISTENER["filter_chains"][0]["filters"][0]["typed_config"]


def test_the_source_has_the_limits_that_are_tried() -> None:
    monitors = [one["typed_config"] for one in SOURCE["overload_manager"]["resource_monitors"]]
    cluster = SOURCE["static_resources"]["clusters"][0]
    windows = cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"][
        "explicit_http_config"
    ]["http2_protocol_options"]

    assert 1 << 30 == monitors[0]["max_heap_size_bytes"]
    assert 10_000 == monitors[1]["max_active_downstream_connections"]
    assert ("30s", "30s") == (LISTENER["per_connection_buffer_high_watermark_timeout"], MANAGER["stream_flush_timeout"])
    assert 0o600 == SOURCE["admin"]["address"]["pipe"]["mode"]
    assert ("4s", "15s") == (MANAGER["request_headers_timeout"], MANAGER["request_timeout"])
    # Streams that nobody reads stop no other: there is room for all that may be under way.
    requests = cluster["circuit_breakers"]["thresholds"][0]["max_requests"]
    assert windows["initial_connection_window_size"] >= requests * windows["initial_stream_window_size"]


def test_a_stream_too_many_is_refused(service: Service) -> None:
    most = MANAGER["http2_protocol_options"]["max_concurrent_streams"]
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    # The server's limit is not known yet.
    headers = [(":method", "GET"), (":scheme", "http"), (":path", MODEL), (":authority", "x")]
    with socket.create_connection(("127.0.0.1", service.place.http_port), DEADLINE) as one:
        for number in range(most + 20):
            connection.send_headers(2 * number + 1, headers)
        one.sendall(connection.data_to_send())
        refused: set[int] = set()
        while len(refused) < 20:
            data = one.recv(65536)
            assert data
            refused |= {
                event.stream_id
                for event in connection.receive_data(data)
                if isinstance(event, h2.events.StreamReset) and event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
            }
    assert set(range(2 * most + 1, 2 * most + 41, 2)) == refused
    assert 401 == service.place.rest(MODEL).status


def test_a_header_with_an_underscore_is_refused(service: Service) -> None:
    assert 400 == service.place.rest(MODEL, service.keys.reader, headers={"x_y": "z"}).status


def test_the_heaps_end_is_a_documented_answer(place: Place) -> None:
    actions = SOURCE["overload_manager"]["actions"][:-1]

    def tiny(configuration: dict[str, Any], _: dict[str, Any]) -> None:
        configuration["overload_manager"]["resource_monitors"][0]["typed_config"]["max_heap_size_bytes"] = 1 << 20
        # New connections are refused a little later: the answer is what is looked at.
        configuration["overload_manager"]["actions"] = actions

    keys = prepare(place)
    with changed(place, tiny):
        wait_until(lambda: place.rest(MODEL, keys.reader).status == 503, "requests are refused")
        answer = place.rest(MODEL, keys.reader)
        assert (UNAVAILABLE, "close") == (answer.json, answer.headers["connection"])
        active = {action["name"]: statistic(place, f"overload.{action['name']}.active") for action in actions}
        assert dict.fromkeys(active, 1) == active
        # Where health is all that is answered, that goes on.
        assert 200 == place.health().status
        with channel(place.http) as one, pytest.raises(grpc.RpcError) as raised:
            unary(one, GET)(unknown_model(), metadata=bearer(keys.reader), timeout=DEADLINE)
        assert (grpc.StatusCode.UNAVAILABLE, "Service unavailable") == (raised.value.code(), raised.value.details())


@pytest.mark.slow
@pytest.mark.parametrize("way", ["HTTP/1.1", "HTTP/2"])
def test_an_answer_that_is_not_taken_is_given_up(place: Place, way: str) -> None:
    def hurried(configuration: dict[str, Any], manager: dict[str, Any]) -> None:
        listener = configuration["static_resources"]["listeners"][0]
        listener["per_connection_buffer_high_watermark_timeout"] = "3s"
        manager["stream_flush_timeout"] = "3s"
        # Nor do these readers answer pings: that would end the connection as well.
        del manager["http2_protocol_options"]["connection_keepalive"]

    gauge = {
        "HTTP/1.1": r"http\.edge\.downstream_cx_tx_bytes_buffered",
        "HTTP/2": r"http2\.pending_send_bytes",
    }[way]
    key, _ = prepare_many(place)
    with changed(place, hurried), deaf(place.http_port, place.grpc_port, way) as readers:
        wait_until(place.ready, "Envoy finds the server")
        readers.ask(key, 3)
        wait_until(lambda: statistic(place, gauge) > 1 << 20, "answers lie unread")
        wait_until(lambda: statistic(place, gauge) < 1 << 20, "they are given up")


LEAKS = ("server", "via", "x-powered-by")


def answers(service: Service) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the headers of answers of every kind."""
    place, key = service.place, service.keys.reader
    etag = place.rest(MODEL, key).headers["etag"]
    asked: dict[str, Callable[[], Any]] = {
        "200": lambda: place.rest(MODEL, key),
        "304": lambda: place.rest(MODEL, key, headers={"if-none-match": etag}),
        "400": lambda: place.rest("/v1/models/%00", key),
        "400 of the server": lambda: place.rest("/v1/models?x=y", key),
        "401": lambda: place.rest(MODEL),
        "403": lambda: place.rest(MODEL, service.keys.without_scope),
        "404": lambda: place.rest("/v1/models/none", key),
        "404 of Envoy": lambda: place.rest("/nowhere", key),
        "405": lambda: place.rest(MODEL, key, method="POST"),
        "413": lambda: place.rest(MODEL, key, body=b"a" * 70_000),
        "431": lambda: place.rest(MODEL, key, headers={"x-long": "a" * 40_000}),
        "504": lambda: place.rest(MODEL, key, headers={"grpc-timeout": "1n"}),
        "health": lambda: place.rest("/healthz"),
        "readiness": lambda: place.rest("/readyz"),
    }
    for name, ask in asked.items():
        answer = ask()
        assert name[:3] == str(answer.status) or answer.status in {200, 504}, (name, answer.status)
        yield name, answer.headers


def test_no_answer_says_what_is_behind_it(service: Service) -> None:
    for name, headers in answers(service):
        found = [header for header in headers if header in LEAKS or header.startswith(("grpc-", "x-envoy-"))]
        assert [] == found, name


def test_no_refusal_of_a_long_answer_does_so(many: Many) -> None:
    place, _, key, _ = many
    with deaf(place.http_port, place.grpc_port, "HTTP/2") as readers:
        readers.ask(key, 100)
        headers = refused(place, "/v1/models", key).headers
    assert [] == [header for header in headers if header in LEAKS or header.startswith(("grpc-", "x-envoy-"))]


def test_native_grpc_says_no_more_than_it_must(service: Service) -> None:
    with channel(service.place.http) as one, pytest.raises(grpc.RpcError) as raised:
        unary(one, GET)(unknown_model(), metadata=bearer(service.keys.reader), timeout=DEADLINE)
    error: Any = raised.value
    said = [*error.initial_metadata(), *error.trailing_metadata()]

    assert [] == [name for name, _ in said if name in LEAKS or name.startswith("x-envoy-")]


def test_a_list_longer_than_envoy_takes_is_to_be_asked_for_in_pages(place: Place) -> None:
    key = prepare(place).reader
    # Long ones, so that a server needs not many.
    labels = [f"{number}-{'x' * 100}" for number in range(50)]
    models = [
        {"name": f"long-{number}", "display_name": "Long", "provider": "p", "capabilities": labels}
        for number in range(1_500)
    ]
    import_catalogue(place.database_url, "test", models)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        whole, all_chosen, page = (
            place.rest(f"/v1/models{query}", key) for query in ("", "?q=long", "?page_size=1000")
        )
        packed = place.rest("/v1/models", key, headers={"accept-encoding": "gzip"})

    for too_long in (whole, all_chosen):
        assert (400, "invalid_request") == (too_long.status, too_long.json["error"]["code"])
        assert "page_size" in too_long.json["error"]["message"]
    assert (200, 1_000) == (page.status, len(page.json["data"]))
    text = gzip.decompress(packed.body)
    # What the limit is about.
    assert BYTES_MAX < len(text)
    assert 1_510 == len(json.loads(text)["data"])


def test_the_longest_answer_fits_into_what_envoy_takes() -> None:
    (transcoder,) = [item for item in MANAGER["http_filters"] if item["name"].endswith("grpc_json_transcoder")]

    # With room for what is around it.
    assert BYTES_MAX + 1_000 < transcoder["typed_config"]["max_response_body_size"]

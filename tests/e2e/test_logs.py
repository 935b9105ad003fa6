"""What is in the log, of the server and of Envoy."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import Service, prepare
from tests.contract.test_errors import LIST, Metadata, bearer
from tests.harness import Place, Process, channel, unary, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def logged(process: Process, request_id: str) -> dict[str, dict[str, Any]]:
    """Returns the server's line and Envoy's about a request, once both are there."""

    def found() -> dict[str, dict[str, Any]]:
        lines = [json.loads(line) for line in process.log.splitlines() if request_id in line]
        return {line["message"]: line for line in lines}

    wait_until(lambda: {"call", "access"} == found().keys(), f"two lines about {request_id}")
    return found()


def test_a_rest_request_is_logged_with_its_trace_by_both(service: Service) -> None:
    headers = {"x-request-id": "traced-1", "traceparent": TRACEPARENT}
    assert 200 == service.place.rest("/v1/models", service.keys.reader, headers=headers).status

    lines = logged(service.process, "traced-1")
    assert (TRACE, TRACEPARENT) == (lines["call"]["trace_id"], lines["access"]["traceparent"])


def test_a_grpc_call_through_envoy_is_so_too(service: Service) -> None:
    traced: Metadata = (("x-request-id", "traced-2"), ("traceparent", TRACEPARENT))
    with channel(service.place.http) as one:
        assert unary(one, LIST)(b"", metadata=(*bearer(service.keys.reader), *traced))

    lines = logged(service.process, "traced-2")
    assert (TRACE, TRACEPARENT) == (lines["call"]["trace_id"], lines["access"]["traceparent"])


def test_what_is_logged_of_a_trace_is_bounded(service: Service) -> None:
    headers = {"x-request-id": "traced-3", "traceparent": "x" * 5000}
    assert 200 == service.place.rest("/v1/models", service.keys.reader, headers=headers).status

    lines = logged(service.process, "traced-3")
    assert (False, "x" * 55) == ("trace_id" in lines["call"], lines["access"]["traceparent"])


def test_a_busy_server_logs_some_calls_and_says_how_many_it_left_out(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_LOG_CALLS_PER_SECOND"] = "1"
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        with channel(place.grpc) as one:
            asked = 0
            while '"skipped"' not in process.errors:
                asked += 1
                metadata = (*bearer(keys.reader), ("x-request-id", str(asked)))
                unary(one, LIST)(b"", metadata=metadata)

        lines = [json.loads(line) for line in process.errors.splitlines()]
        calls = [line for line in lines if line["message"] == "call"]
        last = next(number for number, line in enumerate(calls) if "skipped" in line)
        # Each call up to the line that says so has a line or is counted.
        assert int(calls[last]["request_id"]) == last + 1 + calls[last]["skipped"]


def test_the_log_can_be_for_people(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_LOG_FORMAT"] = "console"
    with Process(place, "serve") as process:
        process.wait_for("status='SERVING'")
        with channel(place.grpc) as one:
            unary(one, LIST)(b"", metadata=bearer(keys.reader))
        process.wait_for(f"method='{LIST}' code='ok'")
        assert "{" not in process.errors
        assert "\x1b" not in process.errors

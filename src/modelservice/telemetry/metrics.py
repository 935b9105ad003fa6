"""The server's metrics. Every label has few values, all chosen by the service: never text that a caller sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from modelservice.background import Task

# In seconds. An answer from memory takes less than a millisecond; the rest shows overloaded machines.
_BUCKETS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)

_Family = TypeVar("_Family", GaugeMetricFamily, CounterMetricFamily)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of a server at one moment.

    Attributes:
        revision: Of the loaded catalogue; 0 before the first.
        keys: How many API keys, including revoked ones.
        left_out: Rows that cannot be used, by table.
        age: Seconds since the database was last read.
        certificate_expires: When the gRPC port's certificate expires, as a Unix time; None without TLS.
    """

    ready: bool
    revision: int
    system_models: int
    organization_models: int
    keys: int
    left_out: Mapping[str, int]
    age: float
    refresh_failures: int
    certificate_expires: float | None
    log_lines_dropped: int
    tasks: Sequence[Task]


class Metrics:
    """The metrics of one server, on their own registry."""

    def __init__(self, version: str) -> None:
        # Creation times would be a second series for each counter.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        # CPU, memory and files of the process (Linux only).
        ProcessCollector(registry=self.registry)
        Info("modelservice_build", "Version of the server.", registry=self.registry).info({"version": version})
        self._requests = Counter(
            "modelservice_requests",
            "Completed calls, by method and by `ok` or error code.",
            ["method", "code"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "modelservice_request_duration_seconds",
            "Time in the server from a call's headers to its response.",
            ["method"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._refused = Counter(
            "modelservice_credentials_refused",
            "Refused credentials, by reason: `invalid_api_key`, `access_denied`, or the fault of a JWT.",
            ["reason"],
            registry=self.registry,
        )

    def method(self, name: str) -> MethodMetrics:
        """Returns the metrics of a method, given its full name or `unknown`; never a name that a caller sent."""
        return MethodMetrics(name, self._requests, self._durations)

    def count_refused_credential(self, reason: str) -> None:
        """Counts a refused credential. `reason` is one of few, never text that a caller sent."""
        self._refused.labels(reason).inc()

    def show(self, state: Callable[[], State]) -> None:
        """Adds the server's state, as it is at each scrape."""
        self.registry.register(_StateCollector(state))


class MethodMetrics:
    """Counts the calls of one method. Looks labels up once, not for each call."""

    def __init__(self, name: str, requests: Counter, durations: Histogram) -> None:
        self._name = name
        self._requests = requests
        self._duration = durations.labels(name)
        self._by_code: dict[str, Counter] = {}

    def count(self, code: str, seconds: float) -> None:
        """Counts a call with its code, `ok` or that of a documented error, and its duration."""
        requests = self._by_code.get(code)
        if requests is None:
            requests = self._by_code[code] = self._requests.labels(self._name, code)
        requests.inc()
        self._duration.observe(seconds)


class _StateCollector(Collector):
    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield GaugeMetricFamily("modelservice_ready", "Whether the server reports SERVING.", state.ready)
        yield GaugeMetricFamily(
            "modelservice_catalogue_revision", "Revision of the loaded catalogue, 0 before the first.", state.revision
        )
        yield _by_label(
            GaugeMetricFamily("modelservice_catalogue_models", "Models in the loaded catalogue.", labels=["kind"]),
            {"system": state.system_models, "organization": state.organization_models},
        )
        yield GaugeMetricFamily(
            "modelservice_catalogue_keys", "API keys in the loaded catalogue, including revoked ones.", state.keys
        )
        yield _by_label(
            GaugeMetricFamily(
                "modelservice_catalogue_quarantined_rows",
                "Rows left out because they cannot be read or rendered.",
                labels=["table"],
            ),
            state.left_out,
        )
        yield GaugeMetricFamily(
            "modelservice_catalogue_age_seconds",
            "Time since the last read of the database, or since the start.",
            state.age,
        )
        yield CounterMetricFamily(
            "modelservice_refresh_failures", "Failed reads of the database.", state.refresh_failures
        )
        # Without TLS there is no sample: 0 would raise alarms.
        yield GaugeMetricFamily(
            "modelservice_certificate_expiry_timestamp_seconds",
            "When the certificate of the gRPC port expires; absent without TLS.",
            state.certificate_expires,
        )
        yield CounterMetricFamily(
            "modelservice_log_lines_dropped",
            "Log lines dropped because they could not be written.",
            state.log_lines_dropped,
        )
        yield _by_label(
            CounterMetricFamily("modelservice_task_failures", "Failed runs of a background task.", labels=["task"]),
            {task.name: task.failures for task in state.tasks},
        )
        yield _by_label(
            GaugeMetricFamily(
                "modelservice_task_failing", "Whether the last run of a background task failed.", labels=["task"]
            ),
            {task.name: task.failing for task in state.tasks},
        )


def _by_label(family: _Family, values: Mapping[str, float]) -> _Family:
    for label, value in values.items():
        family.add_metric([label], value)
    return family

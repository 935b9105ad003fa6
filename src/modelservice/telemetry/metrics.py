"""The server's metrics. Their labels have few values, all of them the service's own: nothing that a caller sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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

# In seconds. An answer from memory takes less than a millisecond; the rest is for machines that have too much to do.
_BUCKETS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a server is at a moment.

    Attributes:
        ready: Whether it says SERVING.
        revision: Of the catalogue that it holds; 0 before the first.
        system_models: How many it holds.
        organization_models: The same, of all organizations.
        keys: API keys that it holds, revoked ones too.
        left_out: Rows that it leaves out because they cannot be used, by table.
        age: Since the database was last read, in seconds.
        refresh_failures: How often it could not be.
        certificate_expires: Until when the certificate of the gRPC port is valid, in seconds since 1970; None without
            TLS there.
        log_lines_dropped: How many lines of the log were dropped, because they could not be written.
        tasks: What it does in the background.
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
    """The metrics of one server, on a registry of their own.

    Args:
        version: The server's.
    """

    def __init__(self, version: str) -> None:
        # When a counter began is a second series for each, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        # CPU, memory and files of the process (Linux only).
        ProcessCollector(registry=self.registry)
        Info("modelservice_build", "The server's version.", registry=self.registry).info({"version": version})
        self._requests = Counter(
            "modelservice_requests",
            "Calls that were answered, by method and by `ok` or the code of the error.",
            ["method", "code"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "modelservice_request_duration_seconds",
            "From a call's headers to its answer, within the server.",
            ["method"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._refused = Counter(
            "modelservice_credentials_refused",
            "Credentials that were refused: `invalid_api_key`, `access_denied`, or what is wrong with a JWT.",
            ["reason"],
            registry=self.registry,
        )

    def method(self, name: str) -> MethodMetrics:
        """Returns what counts the calls of a method.

        Args:
            name: Its full name, or `unknown`; not a text that a caller sent.
        """
        return MethodMetrics(name, self._requests, self._durations)

    def refuse(self, reason: str) -> None:
        """Counts a credential that was refused.

        Args:
            reason: One of few; not a text that a caller sent.
        """
        self._refused.labels(reason).inc()

    def show(self, state: Callable[[], State]) -> None:
        """Shows the server's state, too, as it is whenever somebody reads the metrics."""
        self.registry.register(_StateCollector(state))


class MethodMetrics:
    """Counts the calls of one method. What a label stands for is looked up once, not for each call."""

    def __init__(self, name: str, requests: Counter, durations: Histogram) -> None:
        self._name = name
        self._requests = requests
        self._duration = durations.labels(name)
        self._by_code: dict[str, Counter] = {}

    def count(self, code: str, seconds: float) -> None:
        """Counts a call.

        Args:
            code: `ok`, or the code of a documented error.
            seconds: How long it took.
        """
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
        yield GaugeMetricFamily("modelservice_ready", "Whether the server says SERVING.", state.ready)
        yield GaugeMetricFamily("modelservice_catalogue_revision", "Of the catalogue that is held.", state.revision)
        models = GaugeMetricFamily("modelservice_catalogue_models", "Models that are held.", labels=["kind"])
        models.add_metric(["system"], state.system_models)
        models.add_metric(["organization"], state.organization_models)
        yield models
        yield GaugeMetricFamily("modelservice_catalogue_keys", "API keys that are held, revoked ones too.", state.keys)
        left_out = GaugeMetricFamily(
            "modelservice_catalogue_quarantined_rows",
            "Rows that are left out because they cannot be read or rendered.",
            labels=["table"],
        )
        for table, count in state.left_out.items():
            left_out.add_metric([table], count)
        yield left_out
        yield GaugeMetricFamily(
            "modelservice_catalogue_age_seconds", "Since the database was last read, or the start.", state.age
        )
        yield CounterMetricFamily(
            "modelservice_refresh_failures", "How often the database could not be read.", state.refresh_failures
        )
        # Without TLS there is no value: 0 would be an alarm.
        expiry = GaugeMetricFamily(
            "modelservice_certificate_expiry_timestamp_seconds",
            "Until when the certificate of the gRPC port is valid, where it has one.",
        )
        if state.certificate_expires is not None:
            expiry.add_metric([], state.certificate_expires)
        yield expiry
        yield CounterMetricFamily(
            "modelservice_log_lines_dropped",
            "Lines of the log that were dropped, because they could not be written.",
            state.log_lines_dropped,
        )
        failures = CounterMetricFamily(
            "modelservice_task_failures", "How often a background task failed, foreseen or not.", labels=["task"]
        )
        failing = GaugeMetricFamily(
            "modelservice_task_failing", "Whether the last run of a background task failed.", labels=["task"]
        )
        for task in state.tasks:
            failures.add_metric([task.name], task.failures)
            failing.add_metric([task.name], task.failing)
        yield failures
        yield failing

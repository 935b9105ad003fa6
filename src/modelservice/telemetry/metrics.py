"""The server's metrics. Every label has few values, all chosen by the service: never text that a caller sent."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

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

# In seconds. An answer from memory takes less than a millisecond; the rest shows overloaded machines.
_BUCKETS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)

# A server's state by metric: a number, one for each value of the label, or None to omit the sample.
State: TypeAlias = Mapping[str, float | Mapping[str, float] | None]
_STATE: Final = (
    (GaugeMetricFamily, "modelservice_ready", "Whether the server reports SERVING.", ()),
    (GaugeMetricFamily, "modelservice_catalogue_revision", "Revision of the loaded catalogue, 0 before the first.", ()),
    (GaugeMetricFamily, "modelservice_catalogue_models", "Models in the loaded catalogue.", ("kind",)),
    (GaugeMetricFamily, "modelservice_catalogue_keys", "API keys in the loaded catalogue, including revoked ones.", ()),
    (
        GaugeMetricFamily,
        "modelservice_catalogue_quarantined_rows",
        "Rows left out because they cannot be read or rendered.",
        ("table",),
    ),
    (
        GaugeMetricFamily,
        "modelservice_catalogue_age_seconds",
        "Time since the last read of the database, or since the start.",
        (),
    ),
    (CounterMetricFamily, "modelservice_refresh_failures", "Failed reads of the database.", ()),
    (
        GaugeMetricFamily,
        "modelservice_certificate_expiry_timestamp_seconds",
        "When the certificate of the gRPC port expires; absent without TLS.",
        (),
    ),
    (CounterMetricFamily, "modelservice_log_lines_dropped", "Log lines dropped because they could not be written.", ()),
    (CounterMetricFamily, "modelservice_task_failures", "Failed runs of a background task.", ("task",)),
    (GaugeMetricFamily, "modelservice_task_failing", "Whether the last run of a background task failed.", ("task",)),
)


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

    def counter(self, method: str) -> Callable[[str, float], None]:
        """Returns a function that counts a call, given `ok` or an error code, and its duration in seconds.

        Args:
            method: Its full name, or `unknown`; never a name that a caller sent.
        """
        observe = self._durations.labels(method).observe
        # Looking up labels is the slowest part.
        requests = functools.cache(lambda code: self._requests.labels(method, code))

        def count(code: str, seconds: float) -> None:
            requests(code).inc()
            observe(seconds)

        return count

    def count_refused_credential(self, reason: str) -> None:
        """Counts a refused credential. `reason` has few values, and is never text that a caller sent."""
        self._refused.labels(reason).inc()

    def show(self, state: Callable[[], State]) -> None:
        """Adds the server's state, read at each scrape: a value for each metric of the table above."""
        self.registry.register(_StateCollector(state))


class _StateCollector(Collector):
    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        for family, name, description, labels in _STATE:
            value = state[name]
            if isinstance(value, Mapping):
                metric = family(name, description, labels=labels)
                for label, number in value.items():
                    metric.add_metric([label], number)
            else:
                metric = family(name, description, value)
            yield metric

"""Reads what a server shows to Prometheus."""

from __future__ import annotations

import http.client

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.harness import DEADLINE, Place


def read(place: Place, path: str = "/metrics") -> tuple[int, str]:
    """Returns the status and the body of an answer on the metrics port."""
    connection = http.client.HTTPConnection("127.0.0.1", place.metrics_port, timeout=DEADLINE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metrics(place: Place) -> list[Metric]:
    return list(text_string_to_metric_families(read(place)[1]))


def value(place: Place, name: str, **labels: str) -> float:
    """Returns a sample's value; 0 if there is none yet."""
    samples = [sample for metric in metrics(place) for sample in metric.samples]
    return sum(sample.value for sample in samples if (name, labels) == (sample.name, sample.labels))


def requests(place: Place, method: str, code: str) -> float:
    return value(place, "modelservice_requests_total", method=method, code=code)

"""Runs Envoy alone, with a configuration that a test wrote."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from modelservice.edge.processes import find_envoy
from tests.support.harness import DEADLINE, ENVOY, Place, wait_until

UNAVAILABLE = {"error": {"type": "api_error", "message": "Service unavailable", "code": "unavailable"}}


@contextlib.contextmanager
def envoy(place: Place, configuration: Path, folder: Path) -> Iterator[None]:
    """Runs Envoy with a configuration, in a folder."""
    with (place.folder / "envoy.log").open("wb") as log:
        command = [find_envoy(ENVOY), "-c", str(configuration), "--disable-hot-restart", "--log-level", "warning"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            wait_until(lambda: answers(place), (place.folder / "envoy.log").read_text)
            yield
        finally:
            process.terminate()
            process.wait(DEADLINE)


def answers(place: Place) -> bool:
    """Returns whether Envoy is up: it opens all its listeners at once, and the health listener has no TLS."""
    try:
        return place.health().status in (200, 503)
    except OSError:
        return False

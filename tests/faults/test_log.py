"""A log that cannot be written costs lines, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key, revoke_key
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import update_models
from modelservice.telemetry import foreign_lines_logged, make_log
from tests.support.harness import DEADLINE, Place, Process, memory, wait_until
from tests.support.service import prepare

# Lines of the log that fill a pipe, and more: each has 200 bytes and more.
MANY = 600


@contextlib.contextmanager
def full() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextlib.contextmanager
def closed() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@contextlib.contextmanager
def unread() -> Iterator[int]:
    read, write = os.pipe()
    yield write
    os.close(read)
    os.close(write)


STREAMS = {"a full disk": full, "a closed pipe": closed, "a pipe that nobody reads": unread}


@pytest.mark.parametrize("what", STREAMS)
def test_everything_works_whatever_becomes_of_standard_error(place: Place, what: str) -> None:
    keys = prepare(place)
    revoked = create_key(place.database_url, "test", "acme", scopes={MODELS_READ})
    place.settings["MODELSERVICE_EDGE_CACHE_TTL"] = "1"
    with STREAMS[what]() as stream, Process(place, "run", stderr=stream) as process:
        process.wait_for("ready: ")
        for number in range(MANY):
            assert 404 == place.rest(f"/v1/models/none-{number}", keys.reader).status
        assert 200 == place.rest("/v1/models/gpt-4o", revoked.text).status

        fields = {"context_window": 5}
        update_models(place.database_url, "test", [ModelRef("gpt-4o")], fields, prompt_quota=0)
        revoke_key(place.database_url, "test", revoked.id)

        wait_until(lambda: place.rest("/v1/models/gpt-4o", revoked.text).status == 401, "the key is refused")
        wait_until(lambda: place.rest("/v1/models/gpt-4o", keys.reader).json["contextWindow"] == 5, "it has changed")
        process.popen.send_signal(signal.SIGTERM)
        assert 0 == process.popen.wait(DEADLINE)


def test_an_access_log_that_nobody_reads_holds_up_nobody(place: Place) -> None:
    keys = prepare(place)
    with unread() as stream, Process(place, "run", stdout=stream) as process:
        wait_until(place.ready, "it is ready")
        envoy = process.children()["envoy"]
        before = memory(envoy)
        for _ in range(MANY):
            headers = {"x-request-id": "x" * 20_000}
            assert 200 == place.rest("/v1/models/gpt-4o", keys.reader, headers=headers).status

        # Of 12 MB that were sent.
        assert memory(envoy) < before + 8
        process.popen.send_signal(signal.SIGTERM)
        assert 0 == process.popen.wait(DEADLINE)


@pytest.mark.parametrize("command", ["serve", "run"])
def test_a_start_that_fails_ends_though_nobody_reads_why(place: Place, command: str) -> None:
    prepare(place)
    place.settings["MODELSERVICE_LOG_LEVEL"] = "loud"
    with unread() as stream:
        fill(stream)
        with Process(place, command, stderr=stream) as process:
            assert 1 == process.popen.wait(DEADLINE)


def test_an_envoy_that_dies_ends_the_command_though_nobody_reads_why(place: Place) -> None:
    prepare(place)
    with unread() as stream:
        fill(stream)
        with Process(place, "run", stderr=stream) as process:
            process.wait_for("ready: ")
            os.kill(process.children()["envoy"], signal.SIGKILL)

            assert 1 == process.popen.wait(DEADLINE)


def fill(stream: int) -> None:
    """Fills a pipe."""
    os.set_blocking(stream, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(stream, b"x" * 4096)
    os.set_blocking(stream, True)


def test_a_thread_that_ends_with_an_exception_is_one_line() -> None:
    lines = io.StringIO()
    log = make_log(lines, "error")

    def fail() -> None:
        raise ValueError("the reason")

    with foreign_lines_logged(log):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()

    line = json.loads(lines.getvalue())
    assert ("uncaught exception in thread", True) == (line["message"], "the reason" in line["exception"])


def test_what_a_library_writes_on_standard_error_is_a_line_of_the_log() -> None:
    lines = io.StringIO()
    with foreign_lines_logged(make_log(lines, "info")):
        os.write(2, b"refused\n")

    assert ("library output", "refused") == tuple(json.loads(lines.getvalue())[name] for name in ("message", "text"))


def test_a_process_that_crashes_leaves_its_last_words(place: Place) -> None:
    prepare(place)
    with Process(place, "serve") as process:
        process.wait_for('"SERVING"')
        process.popen.send_signal(signal.SIGABRT)

        assert -signal.SIGABRT == process.popen.wait(DEADLINE)
    assert "Fatal Python error: Aborted" in process.errors


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_server_starts_without_standard_streams(place: Place, descriptors: tuple[int, ...]) -> None:
    key = prepare(place).reader
    closing = " ".join(f"{one}{'<' if one == 0 else '>'}&-" for one in descriptors)
    command = f'exec "{sys.executable}" -m modelservice run {closing}'
    process = subprocess.Popen(command, shell=True, env=place.environment, cwd=place.folder)  # noqa: S602
    try:
        wait_until(place.ready, "it is ready")
        assert 200 == place.rest("/v1/models/gpt-4o", key).status
    finally:
        process.terminate()
        assert 0 == process.wait(DEADLINE)


def test_envoy_knows_no_secret_and_is_told_to_end_without_a_warning(place: Place) -> None:
    prepare(place)
    place.settings["PGPASSWORD"] = "a-planted-secret"
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        environment = Path(f"/proc/{process.children()['envoy']}/environ").read_bytes()
        assert b"a-planted-secret" not in environment
        assert b"MODELSERVICE_" not in environment
        assert 0 == process.end()

    assert "caught ENVOY_SIGTERM" in process.errors
    assert '"level": "warning"' not in process.errors

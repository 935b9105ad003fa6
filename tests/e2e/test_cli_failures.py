"""How commands fail: one line or one JSON object, a status, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import pytest

from modelservice.cli import failures, modelservice
from tests.support.harness import Place
from tests.support.service import prepare

NO_SPACE = Path("/dev/full")


def shell(place: Place, line: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash, in which `modelservice` is the command."""
    function = f'modelservice() {{ {sys.executable} -m modelservice "$@"; }}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{function}\n{line}"],
        env=place.environment,
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def defect(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> click.Command:
    """Returns a command that fails as nobody foresaw, and calls this process by it."""

    @click.command()
    @click.option("--json", is_flag=True)
    def command(*, json: bool) -> None:  # noqa: ARG001
        raise KeyError("a-secret")

    monkeypatch.setattr(sys, "argv", ["modelservice", *arguments])
    return command


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("explain", "none", "--organization", "globex"), 1, "organization globex: does not exist"),
        (("keys", "list", "--bad"), 2, "No such option '--bad'."),
        (("keys", "revoke", "none"), 2, "No such option '--json'."),
        (("keys", "create", "--organization", "globex"), 1, "organization globex: does not exist"),
        (("model",), 2, "No such command 'model'."),
        (("catalogue", "import", "none.yaml"), 1, "none.yaml: No such file or directory"),
    ],
)
def test_with_json_an_error_is_one_object(place: Place, arguments: tuple[str, ...], status: int, message: str) -> None:
    prepare(place)
    done = place.command(*arguments, "--json", check=False)

    assert (status, "", {"error": {"message": message}}) == (done.returncode, done.stdout, json.loads(done.stderr))


def test_with_json_a_wrong_setting_is_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSERVICE_LOG_LEVEL", "loud")
    monkeypatch.setattr(sys, "argv", ["modelservice", "config", "--json"])

    assert 1 == failures.run(modelservice)
    message = "MODELSERVICE_LOG_LEVEL: must be debug, info, warning or error"
    assert {"error": {"message": message}} == json.loads(capsys.readouterr().err)


def test_a_defect_is_one_line_without_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MODELSERVICE_LOG_LEVEL", raising=False)

    assert 70 == failures.run(defect(monkeypatch))
    line = "modelservice: internal error: KeyError: MODELSERVICE_LOG_LEVEL=debug shows where\n"
    assert ("", line) == capsys.readouterr()


def test_a_defect_shows_where_it_is_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSERVICE_LOG_LEVEL", "debug")

    assert 70 == failures.run(defect(monkeypatch))
    assert 'raise KeyError("a-secret")' in capsys.readouterr().err


def test_with_json_a_defect_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MODELSERVICE_LOG_LEVEL", "debug")

    assert 70 == failures.run(defect(monkeypatch, "--json"))
    assert "internal error: KeyError\nTraceback" in json.loads(capsys.readouterr().err)["error"]["message"]


@pytest.mark.parametrize(
    "arguments", [("audit",), ("audit", "--json"), ("catalogue", "export"), ("keys", "--help")], ids=" ".join
)
def test_a_reader_who_has_gone_is_no_error(place: Place, arguments: tuple[str, ...]) -> None:
    prepare(place)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        command = [sys.executable, "-m", "modelservice", *arguments]
        done = subprocess.run(
            command, env=place.environment, stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (141, "") == (done.returncode, done.stderr)


@pytest.mark.skipif(not NO_SPACE.exists(), reason="no such device here")
@pytest.mark.parametrize("command", ["audit", "catalogue show", "catalogue export"])
def test_output_that_cannot_be_written_is_one_line(place: Place, command: str) -> None:
    prepare(place)
    done = shell(place, f"modelservice {command} > /dev/full")

    assert (1, "modelservice: standard output: No space left on device\n") == (done.returncode, done.stderr)


@pytest.mark.skipif(not NO_SPACE.exists(), reason="no such device here")
@pytest.mark.parametrize(
    ("command", "status"),
    [("keys revoke none", 1), ("keys --bad", 2), ("keys list --bad --json", 2), ("audit > /dev/full", 1)],
)
def test_a_line_that_cannot_be_written_leaves_the_status(place: Place, command: str, status: int) -> None:
    prepare(place)

    assert status == shell(place, f"modelservice {command} 2> /dev/full").returncode


@pytest.mark.skipif(not NO_SPACE.exists(), reason="no such device here")
def test_a_key_is_printed_whatever_becomes_of_the_sentence(place: Place) -> None:
    prepare(place)
    done = shell(place, "modelservice keys create --organization acme 2> /dev/full")

    assert (0, True) == (done.returncode, done.stdout.startswith("msk_"))


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_are_not_missed(place: Place, streams: str) -> None:
    prepare(place)

    assert 0 == shell(place, f"modelservice audit {streams}").returncode


def test_an_interrupt_is_one_line(place: Place) -> None:
    file = place.folder / "prompt"
    os.mkfifo(file)
    prepare(place)
    command = [sys.executable, "-m", "modelservice", "models", "update", "gpt-4o", "--system-prompt", f"@{file}"]
    pipe = subprocess.PIPE
    # It reads what nobody writes. Once the file is open here, the command has it open, too.
    with (
        subprocess.Popen(
            command,
            env=place.environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
            # A shell that runs the tests in the background has them ignore it.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (takes no lock)
        ) as process,
        file.open("w"),
    ):
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()

    assert (130, "", "modelservice: interrupted") == (process.returncode, output, errors.strip())


def test_what_a_terminal_cannot_show_is_no_error(place: Place) -> None:
    prepare(place)
    place.command("keys", "create", "--organization", "acme", "--name", "東京 office")
    listed = shell(place, "PYTHONIOENCODING=latin-1 modelservice keys list")

    assert (0, True) == (listed.returncode, "\\u6771\\u4eac office" in listed.stdout)

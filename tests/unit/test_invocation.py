"""What the program says to run next works when it is pasted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelservice.cli.invocation import pasteable

URL = "MODELSERVICE_DATABASE_URL"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the working directory's virtual environment, which says how it was called."""
    file = tmp_path / "my project" / ".venv" / "bin" / "modelservice"
    file.parent.mkdir(parents=True)
    file.write_text(f'#!/bin/sh\necho "$0 $* ${{{URL}:-}}"\n')
    file.chmod(0o755)
    monkeypatch.chdir(tmp_path / "my project")
    monkeypatch.delenv(URL, raising=False)
    return file


def pasted(line: str) -> str:
    """Runs a line in a shell that has no settings of its own."""
    environment = {name: value for name, value in os.environ.items() if name != URL}
    return subprocess.run(line, shell=True, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S602


@pytest.mark.parametrize("called", [".venv/bin/modelservice", "{program}"], ids=["relative", "absolute"])
def test_a_program_below_the_working_directory_is_named_from_there(
    program: Path, monkeypatch: pytest.MonkeyPatch, called: str
) -> None:
    monkeypatch.setattr(sys, "argv", [called.format(program=program)])

    line = pasteable("keys", "create", "--organization", "demo")

    assert ".venv/bin/modelservice keys create --organization demo" == line
    assert f"{line} \n" == pasted(line)


def test_a_program_in_the_working_directory_itself_runs_too(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(program.parent)
    monkeypatch.setattr(sys, "argv", [str(program)])

    assert "./modelservice run \n" == pasted(pasteable("run"))


def test_a_program_elsewhere_is_named_as_it_was_called(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "my project" / ".venv")
    monkeypatch.setattr(sys, "argv", ["../.venv/../.venv/bin/modelservice"])
    assert "bin/modelservice run" == pasteable("run")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setattr(sys, "argv", [str(program)])

    assert f"{program} run \n" == pasted(pasteable("run"))


def test_a_program_that_the_shell_finds_has_its_name_alone(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr(sys, "argv", [str(program)])

    line = pasteable("run")

    assert "modelservice run" == line
    assert f"{program} run \n" == pasted(line)


def test_a_module_is_called_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL, raising=False)
    monkeypatch.setattr(sys, "argv", ["/somewhere/modelservice/__main__.py"])

    assert pasted(pasteable("--version")).startswith("modelservice ")


def test_a_sqlite_database_that_is_set_comes_along(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv(URL, "sqlite:///it's mine.db")

    assert ".venv/bin/modelservice run sqlite:///it's mine.db\n" == pasted(pasteable("run"))


def test_the_url_of_postgres_is_not_shown(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv(URL, "postgresql+psycopg://me:secret@db/models")

    assert ".venv/bin/modelservice run" == pasteable("run")

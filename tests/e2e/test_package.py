"""What is built from the project holds all that it needs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.harness import DEADLINE, ROOT


def build(kind: str, source: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out), "-t", kind]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=DEADLINE)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


def tracked(*folders: str) -> set[str]:
    done = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines())


def test_the_source_distribution_is_the_repository(sdist: Path) -> None:
    carried = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}

    assert {name for name in tracked() if not name.startswith(".ci/")} <= carried
    assert not (sdist / ".ci").exists()


def test_the_wheel_carries_everything_and_no_client(sdist: Path, tmp_path: Path) -> None:
    # By way of the source distribution, as it would be published.
    with zipfile.ZipFile(build("wheel", sdist, tmp_path)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert {name.removeprefix("src/") for name in tracked("src/modelservice")} <= names
    assert {"modelservice"} == {name.partition("/")[0] for name in names}

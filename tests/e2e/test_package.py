"""What is built from the project holds all that it needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.harness import DEADLINE, ROOT


def test_the_wheel_carries_everything(tmp_path: Path) -> None:
    # By way of the source distribution, as it would be published.
    command = [sys.executable, "-m", "hatchling", "build", "-d"]
    subprocess.run(
        [*command, str(tmp_path), "-t", "sdist"], cwd=ROOT, check=True, capture_output=True, timeout=DEADLINE
    )
    (sdist,) = tmp_path.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", sdist.name], cwd=tmp_path, check=True)
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    subprocess.run(
        [*command, str(tmp_path), "-t", "wheel"], cwd=source, check=True, capture_output=True, timeout=DEADLINE
    )

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "src/modelservice"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert {name.removeprefix("src/") for name in tracked} <= names

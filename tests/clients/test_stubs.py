"""gRPC stubs for another language, generated as docs/api.md says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.harness import ROOT
from tests.support.manual import DOCS, at, blocks
from tests.support.npm import path_with
from tests.support.service import Service

API = DOCS / "api.md"


@pytest.mark.slow
def test_stubs_for_javascript_call_the_service(service: Service, npm_packages: Path, tmp_path: Path) -> None:
    (configuration,) = blocks("yaml", API)
    (program,) = blocks("js", API)
    done = subprocess.run(["make", "-s", "image"], cwd=ROOT, check=True, capture_output=True, text=True)
    shutil.copy(ROOT / done.stdout.strip(), tmp_path / "image.binpb")
    (tmp_path / "buf.gen.yaml").write_text(configuration)
    (tmp_path / "program.mjs").write_text(at(service.place, program))
    install, generate = (
        line.split() for block in blocks("sh", API) for line in block.splitlines() if line.startswith("np")
    )
    # What it would install is there.
    (tmp_path / "node_modules").symlink_to(npm_packages)
    assert [] == [name for name in install[2:] if not (tmp_path / "node_modules" / name).is_dir()]

    environment = os.environ | {"PATH": path_with(npm_packages), "KEY": service.keys.reader}
    subprocess.run(generate, cwd=tmp_path, env=environment, check=True)
    done = subprocess.run(
        ["node", "program.mjs"], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )

    assert "Claude 3 Opus 200000\n" == done.stdout

"""The API stays compatible with what was released."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.harness import ROOT

PROTO = "modelservice/v1/model_service.proto"


def breaking(folder: Path, old: str, new: str) -> str:
    """Returns what `make check` says of today's API with one text in the stead of another."""
    changed = folder / PROTO
    changed.parent.mkdir(parents=True)
    text = (ROOT / "proto" / PROTO).read_text()
    assert 1 == text.count(old)
    changed.write_text(text.replace(old, new))
    image = folder / "image.binpb"
    includes = ["-I", str(folder), "-I", sysconfig.get_path("purelib"), "--include_imports"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *includes, "-o", str(image), PROTO], check=True)
    command = ["buf", "breaking", str(image), "--config", "proto/buf.yaml", "--against", "proto/released/0.1.binpb"]
    program = str(Path(sys.executable).parent / command[0])
    done = subprocess.run(
        [program, *command[1:], "--path", "modelservice/v1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [("uint32 context_window = 1;", "uint64 context_window = 1;"), ("string display_name = 5;", "string title = 5;")],
)
def test_what_would_break_clients_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert "modelservice/v1/model_service.proto" in breaking(tmp_path, old, new)


def test_what_breaks_nobody_is_not(tmp_path: Path) -> None:
    assert "" == breaking(tmp_path, "message GetModelRequest {", "message Another {}\n\nmessage GetModelRequest {")

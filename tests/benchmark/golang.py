"""Builds the Go servers that this service is compared with: grpc-go and grpc-gateway over the same proto."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from tests.support.harness import ROOT

_SOURCES: Final = Path(__file__).parent / "peers" / "go"
_PROTO: Final = "modelservice/v1/model_service.proto"
_PACKAGE: Final = "modelservicev1"
# protoc's plugins, and what go.mod calls them. The last one gets the services' HTTP paths from the proto's annotations.
_PLUGINS: Final = {
    "go": "google.golang.org/protobuf/cmd/protoc-gen-go",
    "go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
    "grpc-gateway": "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway",
}
# The first build of all compiles gRPC, and may fetch it.
_DEADLINE: Final = 900.0


def build(folder: Path) -> Path | str:
    """Builds the program into a folder, which Go's own caches make quick the second time.

    Returns:
        The program; or why there is none, in a sentence.
    """
    go = os.environ.get("GO") or shutil.which("go")
    if go is None:
        return "there is no Go toolchain: `go` is not on the PATH, and GO names none"
    folder = folder.resolve()
    try:
        shutil.copytree(_SOURCES, folder, dirs_exist_ok=True)
        _generate(go, folder)
        _run(folder, go, "build", "-o", "peer", ".")
    except subprocess.CalledProcessError as error:
        # What is indented goes on with the line before: advice, mostly.
        said = [line for line in error.stderr.splitlines() if line and not line[0].isspace()]
        return f"the Go servers cannot be built: {said[-1] if said else f'it ended with {error.returncode}'}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the Go servers cannot be built: {error}"
    return folder / "peer"


def _generate(go: str, folder: Path) -> None:
    package = folder / _PACKAGE
    package.mkdir(exist_ok=True)
    flags: list[str] = []
    for name, tool in _PLUGINS.items():
        flags += [
            f"--plugin=protoc-gen-{name}={_run(folder, go, 'tool', '-n', tool).strip()}",
            f"--{name}_out={package}",
            # The proto names no Go package, because nothing but this benchmark is in Go.
            f"--{name}_opt=module=modelservice/peer/{_PACKAGE},M{_PROTO}=modelservice/peer/{_PACKAGE}",
        ]
    # google/api/*.proto lie beside the Python packages made from them.
    folders = ["-I", str(_copy_proto(folder)), "-I", sysconfig.get_path("purelib")]
    _run(folder, sys.executable, "-m", "grpc_tools.protoc", *folders, *flags, _PROTO)


def _copy_proto(folder: Path) -> Path:
    copy = folder / "proto"
    file = copy / _PROTO
    file.parent.mkdir(parents=True, exist_ok=True)
    # In grpc-gateway `**` matches an empty rest, too, and the route that is registered last goes first: GetModel would
    # get the list's calls. The peers are asked for UUIDs alone, which have no slash.
    file.write_text((ROOT / "proto" / _PROTO).read_text().replace("{model_id=**}", "{model_id}"))
    return copy


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=_DEADLINE)
    return done.stdout

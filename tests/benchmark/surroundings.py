"""On what a comparison ran: the machine, and the version of everything that took part."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelservice.edge.processes import find_envoy
from tests.benchmark.servers import BENCH, LITELLM, POSTGRES
from tests.support.harness import ENVOY
from tests.support.postgres import binaries

_PACKAGES = (
    "asyncpg",
    "fastapi",
    "grpcio",
    "grpclib",
    "httptools",
    "litellm",
    "protobuf",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
    "uvloop",
)
_GO_PEERS = Path(__file__).parent / "peers" / "go"
_ASK = """
import importlib.metadata, json, sys
versions = {}
for name in sys.argv[1:]:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(versions))
"""


def surroundings() -> dict[str, Any]:
    """Returns the date, the machine, and versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            "envoy": _envoy(),
            "postgres": _said(str(binaries(POSTGRES) / "postgres"), "--version").split()[-1],
            **_packages(LITELLM, "litellm"),
            **_packages(BENCH, *(name for name in _PACKAGES if name != "litellm")),
            **_tools(),
            **_go(),
        },
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _envoy() -> str:
    said = _said(find_envoy(ENVOY), "--version")
    found = re.search(r"/(\d+\.\d+\.\d+)", said)
    return found[1] if found else said


def _packages(folder: Path, *names: str) -> dict[str, str]:
    python = folder / "python"
    if not python.exists():
        return {}
    versions: dict[str, str] = json.loads(_said(str(python), "-c", _ASK, *names))
    return versions


def _tools() -> dict[str, str]:
    found = {}
    for name in ("wrk", "h2load"):
        try:
            # wrk knows no --version, and says it all the same.
            found[name] = re.sub(r"^\S+ |\s\[.*$", "", _said(name, "--version").splitlines()[0])
        except (OSError, IndexError):
            continue
    return found


def _go() -> dict[str, str]:
    """Returns the versions of what the Go peers are built with and of."""
    go = os.environ.get("GO") or shutil.which("go")
    if not go:
        return {}
    modules = {"grpc-go": "google.golang.org/grpc", "grpc-gateway": "github.com/grpc-ecosystem/grpc-gateway/v2"}
    lines = [line.split() for line in (_GO_PEERS / "go.mod").read_text().splitlines()]
    wanted = {fields[0]: fields[1] for fields in lines if len(fields) > 1}
    return {"go": _said(go, "env", "GOVERSION").strip()} | {name: wanted[path] for name, path in modules.items()}


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout

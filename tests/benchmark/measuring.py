"""One measurement: a load for some seconds, and what it cost the server."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloakrai.v1 import model_service_pb2 as pb
from tests.benchmark.payloads import SERVICE, Payloads
from tests.benchmark.rows import GET, Protocol, Row
from tests.support.harness import cpu, memory

# The loader of each protocol.
LOADERS: Mapping[Protocol, str] = {"REST": "wrk", "gRPC": "h2load"}
CONNECTIONS = 8
# In seconds: how long an answer may take under load.
_PATIENCE = 30
# Processes of a server that are counted apart.
_APART = ("envoy", "postgres")
# What wrk says at its end, for a program to read.
_WRK_SCRIPT = """
done = function(summary, latency)
  local errors = summary.errors
  local wrong = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('{"requests":%d,"seconds":%f,"bytes":%d,"p50":%f,"p99":%f,"wrong":%d}\\n', summary.requests,
    summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, wrong))
end
"""


@dataclass(frozen=True)
class Request:
    """What is sent again and again.

    Attributes:
        protocol: How.
        port: Where to, on loopback.
        path: The path, which of gRPC is the method.
        headers: Headers, the credential among them.
        message: The protobuf message of gRPC.
    """

    protocol: Protocol
    port: int
    path: str
    headers: Mapping[str, str]
    message: bytes = b""

    @classmethod
    def of(cls, row: Row, call: str, port: int, payloads: Payloads) -> Request:
        headers = {"authorization": f"Bearer {payloads.key}"}
        if row.protocol == "gRPC":
            if call == GET:
                message = pb.GetModelRequest(model_id=payloads.model_id).SerializeToString()
                return cls("gRPC", port, f"{SERVICE}GetModel", headers, message)
            return cls("gRPC", port, f"{SERVICE}ListModels", headers)
        model_id = "model-0" if row.own_answers else payloads.model_id
        path = f"/v1/models/{model_id}" if call == GET else "/v1/models"
        return cls("REST", port, path, headers | ({"accept-encoding": "gzip"} if row.gzip else {}))


@dataclass(frozen=True)
class Load:
    """What a loader says.

    Attributes:
        requests: How many were answered.
        throughput: In requests a second.
        p50: The median of the time until an answer, in ms.
        p99: What 99 of 100 were answered within, in ms.
    """

    requests: int
    throughput: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """One measurement.

    Attributes:
        load: What the loader says.
        cpu: CPU per request in µs, by process.
        memory: What the processes hold together at the end, in MB (RSS).
        peak: The sum of the most that each has held, in MB.
    """

    load: Load
    cpu: Mapping[str, float]
    memory: float
    peak: float


def measure(request: Request, roots: tuple[int, ...], folder: Path, seconds: int, length: int) -> Figures:
    """Loads a server with one request, and looks at its processes before and after.

    Args:
        request: What to send.
        roots: The server's processes.
        folder: For files of the loader.
        seconds: For how long.
        length: Of the answer, in bytes: what every answer must have, at least.
    """
    before = _cpu(roots)
    load = Loader(request, folder, seconds).wait(length)
    after = _cpu(roots)
    per_request = {name: (after[name] - before[name]) / load.requests * 1e6 for name in sorted(after)}
    return Figures(load, per_request, _memory(roots, "VmRSS"), _memory(roots, "VmHWM"))


@dataclass
class Loader:
    """wrk or h2load, from its start on."""

    request: Request
    folder: Path
    seconds: int
    connections: int = CONNECTIONS
    _log: Path = field(init=False)

    def __post_init__(self) -> None:
        command = self._wrk() if self.request.protocol == "REST" else self._h2load()
        headers = [part for name, value in self._headers().items() for part in ("-H", f"{name}: {value}")]
        url = f"http://127.0.0.1:{self.request.port}{self.request.path}"
        self._process = subprocess.Popen([*command, *headers, url], stdout=subprocess.PIPE, text=True)

    def wait(self, length: int) -> Load:
        """Waits for its end. Fails when not every answer was right, as far as its length tells."""
        try:
            output, _ = self._process.communicate(timeout=self.seconds + 2 * _PATIENCE)
        finally:
            self.stop()
        assert self._process.returncode == 0, output
        load, received, wrong = self._wrk_said(output) if self.request.protocol == "REST" else self._h2load_said(output)
        assert load.requests, output
        assert wrong == 0, output
        assert received >= length * load.requests, f"answers were shorter than {length} bytes:\n{output}"
        return load

    def stop(self) -> None:
        """Ends it, if it has not ended by itself."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _headers(self) -> dict[str, str]:
        grpc = {"content-type": "application/grpc", "te": "trailers"} if self.request.protocol == "gRPC" else {}
        return {**self.request.headers, **grpc}

    def _wrk(self) -> list[str]:
        script = self.folder / "wrk.lua"
        script.write_text(_WRK_SCRIPT)
        return [
            "wrk",
            "-t1",
            f"-c{self.connections}",
            f"-d{self.seconds}s",
            "--timeout",
            f"{_PATIENCE}s",
            "-s",
            str(script),
        ]

    def _wrk_said(self, output: str) -> tuple[Load, int, int]:
        said = json.loads(output.splitlines()[-1])
        load = Load(said["requests"], said["requests"] / said["seconds"], said["p50"], said["p99"])
        return load, said["bytes"], said["wrong"]

    def _h2load(self) -> list[str]:
        message = self.folder / "message"
        message.write_bytes(b"\0" + struct.pack(">I", len(self.request.message)) + self.request.message)
        self._log = self.folder / "h2load.log"
        self._log.unlink(missing_ok=True)
        options = [f"-c{self.connections}", "-m1", "-t1", "-D", str(self.seconds), f"--log-file={self._log}"]
        return ["h2load", *options, "-d", str(message)]

    def _h2load_said(self, output: str) -> tuple[Load, int, int]:
        requests = {name: int(number) for number, name in re.findall(r"(\d+) (\w+)", _line(output, "requests: "))}
        codes = re.findall(r"(\d+) [345]xx", _line(output, "status codes: "))
        wrong = sum(map(int, codes)) + requests["failed"] + requests["errored"] + requests["timeout"]
        (received,) = re.findall(r"\((\d+)\) data", _line(output, "traffic: "))
        times = sorted(int(line.split("\t")[2]) / 1000 for line in self._log.read_text().splitlines())
        done = requests["succeeded"]
        load = Load(done, done / self.seconds, times[len(times) // 2], times[int(len(times) * 0.99)])
        return load, int(received), wrong


def missing_loaders() -> list[Protocol]:
    """Returns the protocols that cannot be measured here."""
    return [protocol for protocol, loader in LOADERS.items() if shutil.which(loader) is None]


def _line(output: str, begin: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(begin))


def _tree(roots: tuple[int, ...]) -> dict[int, str]:
    """Returns the processes of a server, and what each is called."""
    parents: dict[int, tuple[int, str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        part = next((part for part in _APART if name.startswith(part)), "server")
        parents[int(path.parent.name)] = int(rest.split()[1]), part
    found = {root: parents[root][1] for root in roots}
    while more := {pid: name for pid, (parent, name) in parents.items() if parent in found and pid not in found}:
        found |= more
    return found


def _cpu(roots: tuple[int, ...]) -> Counter[str]:
    """Returns the CPU seconds of a server's processes, by name."""
    seconds: Counter[str] = Counter()
    for pid, name in _tree(roots).items():
        seconds[name] += cpu(pid)  # type: ignore[assignment]
    return seconds


def _memory(roots: tuple[int, ...], name: str) -> float:
    return sum(memory(pid, name) for pid in _tree(roots))

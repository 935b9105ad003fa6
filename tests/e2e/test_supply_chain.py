"""What the service is made of: its bill of materials, and the search for known vulnerabilities."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.audit import LOCKS
from tests.support.harness import DEADLINE, ROOT
from tests.support.ports import free_ports

pytestmark = pytest.mark.slow

ADVISORY = {
    "id": "GHSA-xxxx-yyyy-zzzz",
    "published": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"name": "click", "ecosystem": "PyPI"}, "ranges": []}],
}


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV does: nothing is known, but of one package."""

    vulnerable = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = asked["package"]["name"] == self.vulnerable
        body = json.dumps({"vulns": [ADVISORY]} if known else {}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def advisories() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.audit", "--osv-url", url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3 * DEADLINE)


def locked(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


def test_nothing_known_of_everything_is_clean(advisories: str) -> None:
    done = audit(advisories)

    assert (0, "") == (done.returncode, done.stderr)
    counts = {row.split()[0]: int(row.split()[1]) for row in done.stdout.splitlines()[1:]}
    # But for what other platforms have.
    assert LOCKS == tuple(counts)
    assert all(0.8 * len(locked(lock)) <= count <= len(locked(lock)) for lock, count in counts.items())


def test_a_known_vulnerability_is_named(advisories: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Advisories, "vulnerable", "click")
    done = audit(advisories)

    assert 1 == done.returncode
    assert re.search(r"^click \S+  GHSA-xxxx-yyyy-zzzz", done.stdout, re.MULTILINE)


def test_a_source_that_cannot_be_reached_scans_nothing() -> None:
    (nobody,) = free_ports(1)
    done = audit(f"http://127.0.0.1:{nobody}/v1/query")

    assert 2 == done.returncode
    assert done.stderr.startswith("not scanned: ")
    assert len(LOCKS) == done.stdout.count("everything") == done.stdout.count("unknown")


def test_the_bill_of_materials_names_what_is_locked(tmp_path: Path) -> None:
    bill = tmp_path / "sbom.json"
    subprocess.run(["make", "--no-print-directory", "sbom", f"SBOM={bill}"], cwd=ROOT, check=True, capture_output=True)
    said = json.loads(bill.read_text())

    assert ("CycloneDX", "modelservice") == (said["bomFormat"], said["metadata"]["component"]["name"])
    assert locked("requirements.lock") == {component["name"] for component in said["components"]}
    for component in said["components"]:
        (source,) = component["externalReferences"]
        assert source["hashes"], component["name"]

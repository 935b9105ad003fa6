"""Schemathesis: requests made of the OpenAPI document, and answers held to it. All of its checks are on.

Its stateful phase has nothing to do: no operation leads to another (the document has no links).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.service import Service

pytestmark = pytest.mark.slow

SEED = "8"
QUICK, LONG = 30, 2_000
CONFIGURATION = """
[parameters]
# What has the form of a token need not be one that the service gave: such a one is refused.
page_token = ""
"""


def attack(folder: Path, *options: str, examples: int = QUICK) -> subprocess.CompletedProcess[str]:
    """Runs every check in every phase."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    own = ["--config-file", "schemathesis.toml", "run", "--checks", "all", "--mode", "all", "--continue-on-failure"]
    bounds = [
        "--seed",
        SEED,
        "--max-examples",
        str(examples),
        "--generation-database",
        "none",
        "--request-timeout",
        "30",
    ]
    return subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), *own, *bounds, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )


def served(service: Service) -> str:
    return f"http://{service.place.http}/openapi.json"


def bearer(service: Service) -> list[str]:
    return ["--header", f"Authorization: Bearer {service.keys.reader}"]


def requests_of(found: subprocess.CompletedProcess[str]) -> int:
    match = re.search(r"(\d+) generated", found.stdout)
    assert match, found.stdout + found.stderr
    return int(match[1])


@pytest.mark.parametrize("knows", ["a key", "no key"])
def test_no_finding(service: Service, tmp_path: Path, knows: str) -> None:
    found = attack(tmp_path, served(service), *(bearer(service) if knows == "a key" else []))

    assert 0 == found.returncode, found.stdout + found.stderr
    assert requests_of(found) > 100


@pytest.mark.long
@pytest.mark.timeout(1900)
def test_no_finding_in_many_more(service: Service, tmp_path: Path, tell: Callable[[str], None]) -> None:
    found = attack(tmp_path, served(service), *bearer(service), examples=LONG)

    assert 0 == found.returncode, found.stdout + found.stderr
    tell(f"no finding in {requests_of(found)} requests")
    assert requests_of(found) > LONG


def test_it_finds_what_is_wrong(service: Service, tmp_path: Path) -> None:
    api = service.place.rest("/openapi.json").json
    api["components"]["schemas"]["ListedModel"]["required"].append("price")
    api["paths"]["/v1/models"]["get"]["parameters"][0]["schema"]["maxItems"] = 30
    (tmp_path / "wrong.json").write_text(json.dumps(api))
    options = ["--url", f"http://{service.place.http}", "--include-path", "/v1/models", *bearer(service)]
    found = attack(tmp_path, "wrong.json", *options)

    assert 1 == found.returncode, found.stdout + found.stderr
    assert "'price' is a required property" in found.stdout.replace('"', "'")
    assert "Schema-valid request rejected" in found.stdout

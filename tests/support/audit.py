"""Looks for known vulnerabilities in what the lock files name: run as `python -m tests.support.audit`, or `make audit`.

What was not compared with the advisories is called so, never clean. Ends with 0 when everything was scanned and nothing
found, with 1 when something was found, and with 2 when something was not scanned.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = ("requirements.lock", "tests/requirements.lock")


@dataclass(frozen=True, slots=True)
class Scan:
    """What was seen of one lock file.

    Attributes:
        scanned: How many packages were compared with the advisories.
        skipped: The others, or None when the advisories were not to be had at all.
        found: Package with version, advisory, and in which versions it is fixed.
    """

    scanned: int
    skipped: list[str] | None
    found: list[tuple[str, str, str]]


def scan(lock: str, source: list[str]) -> Scan:
    """Compares a lock file with the advisories."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    command += ["--format", "json", "--vulnerability-service", "osv", *source, "--requirement", lock]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        # It ends with a traceback when it cannot reach the source.
        return Scan(0, None, [])
    return Scan(
        scanned=sum("vulns" in package for package in packages),
        skipped=[package["name"] for package in packages if "vulns" not in package],
        found=[
            (f"{package['name']} {package['version']}", each["id"], ", ".join(each["fix_versions"]) or "-")
            for package in packages
            for each in package.get("vulns", ())
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osv-url", help="Of the advisories' interface, when it is not OSV's own.")
    url = parser.parse_args().osv_url
    scans = {lock: scan(lock, ["--osv-url", url] if url else []) for lock in LOCKS}
    console = Console(highlight=False)
    table = Table("lock file", "scanned", "not scanned", "vulnerabilities", box=None, pad_edge=False)
    for lock, seen in scans.items():
        left = "everything" if seen.skipped is None else " ".join(seen.skipped) or "-"
        table.add_row(lock, str(seen.scanned), left, str(len(seen.found)) if seen.scanned else "unknown")
    console.print(table)
    for seen in scans.values():
        for row in seen.found:
            console.print("  ".join(row))
    if any(seen.found for seen in scans.values()):
        sys.exit(1)
    if any(seen.skipped or seen.skipped is None for seen in scans.values()):
        sys.stderr.write("not scanned: the advisory source cannot be reached, or does not know everything\n")
        sys.exit(2)


if __name__ == "__main__":
    main()

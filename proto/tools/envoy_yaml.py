"""Writes the repository's envoy.yaml, the template with default settings: `python -m envoy_yaml OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from modelservice.config import load
from modelservice.edge.configuration import Edge, render


def main(out: str) -> None:
    """Writes it. Paths are relative to the root of the repository, where Envoy starts."""
    text = render(Edge(load({})), Path("src/modelservice/edge"), Path("envoy-admin.sock"), platform="linux")
    Path(out).write_text(text, encoding="utf-8")


main(*sys.argv[1:])

"""Writes the manual's generated tables: `python -m manual DESCRIPTORS DOCS OUT`.

DESCRIPTORS is a descriptor set from protoc with comments. Pages are read from DOCS and written to OUT, which may be the
same folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from manual.pages import with_tables
from manual.reference import Tables
from openapi.source import Source


def main(descriptors: str, docs: str, out: str) -> None:
    """Writes the pages."""
    tables = Tables(Source(Path(descriptors).read_bytes()))
    pages = {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(docs).glob("*.md"))}
    written = {name: with_tables(name, text, tables.by_name) for name, text in pages.items()}
    tables.require_all_settings()
    Path(out).mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (Path(out) / name).write_text(text, encoding="utf-8")


main(*sys.argv[1:])

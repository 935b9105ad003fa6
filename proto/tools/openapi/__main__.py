"""Writes the OpenAPI document: `python -m openapi DESCRIPTORS EXAMPLES OUT`.

DESCRIPTORS is a descriptor set from protoc with imports and comments. EXAMPLES is a folder with a response for each
method.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from openapi.document import document
from openapi.source import Source


def main(descriptors: str, examples: str, out: str) -> None:
    """Writes the document."""
    found = document(Source(Path(descriptors).read_bytes()), Path(examples))
    Path(out).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


main(*sys.argv[1:])

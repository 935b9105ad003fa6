"""W3C Trace Context: which trace a call belongs to (https://www.w3.org/TR/trace-context/#traceparent-header)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# Version, trace, parent and flags; versions to come may say more after them. Ids of zeros alone are none.
_SHAPE: Final = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")


def trace_id(values: Sequence[str | bytes]) -> str | None:
    """Returns the id of the trace, when it is well formed.

    Args:
        values: Every value of the call's metadata `traceparent`.
    """
    # One at most, by way of gRPC; always a text, as its name does not end with -bin.
    match = _SHAPE.fullmatch(str(values[0])) if values else None
    if match is None or (match[1] == "00" and match[3] is not None):
        return None
    return match[2]

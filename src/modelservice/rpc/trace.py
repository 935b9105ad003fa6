"""W3C Trace Context (https://www.w3.org/TR/trace-context/#traceparent-header)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# Version, trace, parent, flags. Later versions may append more. Ids of only zeros are invalid.
_SHAPE: Final = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")


def trace_id(values: Sequence[str | bytes]) -> str | None:
    """Returns the trace id from the call's `traceparent` values, or None if they are malformed."""
    # gRPC passes at most one.
    match = _SHAPE.fullmatch(str(values[0])) if values else None
    if match is None or (match[1] == "00" and match[3] is not None):
        return None
    return match[2]

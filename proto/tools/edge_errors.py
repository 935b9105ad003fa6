"""Writes the errors that Envoy's scripts send, from the table of errors: `python -m edge_errors OUT`."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import cast

from modelservice.edge.configuration import error_body, to_lua
from modelservice.errors import REFUSALS, Refusal, RefusalKind
from modelservice.rpc.status import DETAILS_KEY, STATUS_CODES, status_of

_HEAD = """\
-- Every documented error, by code: the status and body of its REST response; and for gRPC the status, the message and
-- the details in base64. Generated from src/modelservice/errors.py: run `make generate`.

"""


def main(out: str) -> None:
    """Writes them."""
    rows = "".join(f"  {kind.code} = {to_lua(_row(kind))},\n" for kind in REFUSALS)
    Path(out).write_text(f"{_HEAD}return {{\n{rows}}}\n", encoding="utf-8")


def _row(kind: RefusalKind) -> dict[str, str]:
    row = {"status": str(kind.http_status), "body": error_body(kind)}
    if kind not in STATUS_CODES:
        return row
    status = status_of(Refusal(kind), "")
    details = cast("bytes", dict(status.trailing_metadata)[DETAILS_KEY])
    return row | {
        "grpc_status": str(status.code.value[0]),
        "grpc_message": status.details,
        "grpc_details": base64.b64encode(details).decode(),
    }


main(*sys.argv[1:])

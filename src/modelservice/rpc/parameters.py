"""The query parameters of a REST request.

Envoy's transcoder binds query parameters to the request's fields, and lets `?model_id=y` win over the path. So what the
query holds is read here, from the address as the client sent it, and every name that the path does not take is refused.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_plus

from modelservice.errors import INVALID_REQUEST, Refusal

# Real clients of OpenAI-shaped APIs send these. They mean nothing here.
IGNORED: Final = ("client_version", "limit", "user")


def check_parameters(original_path: str) -> None:
    """Lets a request pass whose query has only parameters that are accepted.

    Args:
        original_path: The address that the client sent, with its query.

    Raises:
        Refusal: `INVALID_REQUEST`: there is another one. The message names it.
    """
    _, _, query = original_path.partition("?")
    for pair in query.split("&") if query else ():
        name = unquote_plus(pair.partition("=")[0], errors="replace")
        if name not in IGNORED and pair:
            raise Refusal(
                INVALID_REQUEST, f"Unknown query parameter: {name[:100]}. Accepted: {', '.join(sorted(IGNORED))}"
            )

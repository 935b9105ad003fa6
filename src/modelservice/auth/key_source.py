"""Gets a key set: from the issuer, or from a file. Bounded in size and in time, and never redirected."""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from modelservice.auth.jwks import BYTES_MAX, KeySetError
from modelservice.hosts import is_loopback

# In seconds, from the look-up of the name to the last byte.
_PATIENCE: Final = 10.0
# For one operation of the connection.
_OPERATION: Final = 5.0


def is_url(source: str) -> bool:
    """Says whether a key set comes from a URL, rather than from a file."""
    return "://" in source


def key_source(source: str) -> Callable[[], bytes]:
    """Returns what gets the key set; it raises `KeySetError`.

    Args:
        source: A URL, or a path.
    """
    return Issuer(source).fetch if is_url(source) else lambda: _read(Path(source))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise KeySetError(f"the file cannot be read: {error.strerror}") from None


class Issuer:
    """Where an issuer publishes its key set.

    Args:
        url: Its address.
        patience: How long a fetch may take, in seconds.
    """

    def __init__(self, url: str, patience: float = _PATIENCE) -> None:
        self._url = url
        self._patience = patience
        # A proxy for this machine itself would be somebody in between, and here plain text is allowed.
        direct = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
        self._opener = urllib.request.build_opener(_NoRedirects(), *direct)
        self._opener.addheaders = [("User-Agent", "modelservice"), ("Accept", "application/json")]
        self._fetching: threading.Thread | None = None

    def fetch(self) -> bytes:
        """Fetches the key set.

        Raises:
            KeySetError: It cannot be had.
        """
        # Timeouts of a connection are for one operation each: an issuer that sends a byte a second has none, nor has
        # the look-up of a name. So the whole runs in a thread, which is given up when it takes too long; until it has
        # ended there is no other.
        if self._fetching and self._fetching.is_alive():
            raise KeySetError("the issuer does not answer in time")
        outcome: list[bytes | Exception] = []
        self._fetching = threading.Thread(target=self._fetch_into, args=(outcome,), name="key set", daemon=True)
        self._fetching.start()
        self._fetching.join(self._patience)
        if not outcome:
            raise KeySetError("the issuer does not answer in time")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _fetch_into(self, outcome: list[bytes | Exception]) -> None:
        try:
            with self._opener.open(self._url, timeout=_OPERATION) as response:
                outcome.append(response.read(BYTES_MAX + 1))
        except urllib.error.HTTPError as error:
            error.close()
            outcome.append(KeySetError(f"the issuer answers with the status {error.code}"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome.append(KeySetError(_reason(error)))
        except Exception as error:  # noqa: BLE001  (raised where it is waited for)
            outcome.append(error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect as it is: an answer that is no key set. Keys come from the address that was configured."""

    def redirect_request(self, *_: object) -> None:
        return None


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    match cause:
        case ssl.SSLCertVerificationError():
            return f"the issuer's certificate is not trusted: {cause.verify_message}"
        case TimeoutError():
            return "the issuer does not answer in time"
        case OSError() if cause.strerror:
            return f"the issuer cannot be reached: {cause.strerror}"
        case _:
            return "the issuer cannot be reached"

"""Fetches a key set from the issuer or a file: bounded in size and time, never redirected."""

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

# Seconds for a fetch, from DNS to the last byte.
_PATIENCE: Final = 10.0
# Seconds for one operation of the connection.
_OPERATION: Final = 5.0


def is_url(source: str) -> bool:
    """Returns whether a source of keys is a URL, not a file."""
    return "://" in source


def key_source(source: str) -> Callable[[], bytes]:
    """Returns a function that fetches the key set from a URL or a path, and raises `KeySetError`."""
    return Issuer(source).fetch if is_url(source) else lambda: _read(Path(source))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise KeySetError(f"the file cannot be read: {error.strerror}") from None


class Issuer:
    """Fetches the key set that an issuer publishes, within `patience` seconds."""

    def __init__(self, url: str, patience: float = _PATIENCE) -> None:
        self._url = url
        self._patience = patience
        # Loopback may be plain text, which no proxy should see.
        direct = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
        self._opener = urllib.request.build_opener(_NoRedirects(), *direct)
        self._opener.addheaders = [("User-Agent", "modelservice"), ("Accept", "application/json")]
        self._fetching: threading.Thread | None = None

    def fetch(self) -> bytes:
        """Fetches the key set.

        Raises:
            KeySetError: The key set is unavailable.
        """
        # A connection's timeout limits single operations, not DNS or a server that sends a byte per second. So the
        # fetch runs in a thread, which is abandoned after the timeout. The next fetch starts only after it has ended.
        if self._fetching and self._fetching.is_alive():
            raise KeySetError("the issuer does not respond in time")
        outcome: list[bytes | Exception] = []
        self._fetching = threading.Thread(target=self._fetch_into, args=(outcome,), name="key set", daemon=True)
        self._fetching.start()
        self._fetching.join(self._patience)
        if not outcome:
            raise KeySetError("the issuer does not respond in time")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _fetch_into(self, outcome: list[bytes | Exception]) -> None:
        try:
            with self._opener.open(self._url, timeout=_OPERATION) as response:
                outcome.append(response.read(BYTES_MAX + 1))
        except urllib.error.HTTPError as error:
            error.close()
            outcome.append(KeySetError(f"the issuer responded with status {error.code}"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome.append(KeySetError(_reason(error)))
        except Exception as error:  # noqa: BLE001  (raised by `fetch`)
            outcome.append(error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a failure: keys come from the configured URL only."""

    def redirect_request(self, *_: object) -> None:
        return None


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    match cause:
        case ssl.SSLCertVerificationError():
            return f"the issuer's certificate is not trusted: {cause.verify_message}"
        case TimeoutError():
            return "the issuer does not respond in time"
        case OSError() if cause.strerror:
            return f"the issuer cannot be reached: {cause.strerror}"
        case _:
            return "the issuer cannot be reached"

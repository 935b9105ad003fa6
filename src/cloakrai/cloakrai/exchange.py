"""Everything that the two clients share: requests, retries, entity tags, results. It does no I/O.

Each method of the API is a generator. It yields a request and receives the response, or httpx's error; or it yields
seconds to wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote, urlencode

import httpx

from cloakrai import exceptions
from cloakrai.results import ListedModel, Model, ModelList

__version__ = "0.2.0"

T = TypeVar("T")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
Answer = httpx.Response | httpx.RequestError | None
Flow = Generator[httpx.Request | float, Answer, T]
ApiKey = str | Callable[[], str]

_HEADERS = {"content-type": "application/json", "user-agent": f"cloakrai/{__version__}"}
TIMEOUT = 10.0
MAX_RETRIES = 3
# In seconds. Before retry n the client waits a random time of up to _FIRST_BACKOFF * 2 ** n, at most _MAX_BACKOFF.
_FIRST_BACKOFF, _MAX_BACKOFF = 0.5, 8.0
# A longer Retry-After is not waited for: the error is raised at once and names it.
_MAX_RETRY_AFTER = 30.0
# Of JSON, in bytes. The service limits a response to 8 MB.
_CACHE_BYTES, _CACHE_ENTRIES = 16 << 20, 128

_log = logging.getLogger("cloakrai")


class ModelFilters(TypedDict, total=False):
    """Filters of `models()`, as the API documents them. Labels and owners may be one string or several."""

    capability: str | Iterable[str] | None
    compliance: str | Iterable[str] | None
    owned_by: str | Iterable[str] | None
    min_context_window: int | None
    max_cost_per_1k_tokens: float | None
    encryption_supported: bool | None
    pii_redaction_supported: bool | None
    q: str | None
    order_by: (
        Literal[
            "created", "created desc", "id", "id desc", "context_window", "context_window desc",
            "cost_per_1k_tokens", "cost_per_1k_tokens desc",
        ]
        | None
    )  # fmt: skip
    page_size: int | None


class Exchange(Generic[Http]):
    """Base of both clients."""

    _http: Http

    def __init__(self, api_key: ApiKey | None, base_url: str | None, max_retries: int) -> None:
        self._base_url = _root(base_url or os.environ.get("CLOAKR_BASE_URL"))
        self._bearer = _Bearer(api_key or os.environ.get("CLOAKR_API_KEY", ""))
        self._max_retries = max_retries
        self._cache = _Cache()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base_url!r})"

    def _list(self, filters: Mapping[str, Any]) -> Flow[ModelList]:
        query: list[tuple[str, str]] = _query(filters)
        models: list[ListedModel] = []
        tokens = {""}
        token = ""
        while True:
            page, token = yield from self._get("/v1/models", [*query, ("page_token", token)] if token else query, _page)
            models += page
            if not token:
                return ModelList(tuple(models))
            if token in tokens:
                raise exceptions.InvalidResponseError("next_page_token: repeated: the list would never end")
            tokens.add(token)

    def _model(self, model_id: str) -> Flow[Model]:
        # Encoded slashes keep the id one segment, but a dot segment would still change the path.
        if model_id in {"", ".", ".."}:
            raise exceptions.InvalidRequestError("model_id: must not be empty, '.' or '..'")
        return (yield from self._get(f"/v1/models/{quote(model_id, safe=':@')}", [], Model.from_wire))

    def _get(self, path: str, query: list[tuple[str, str]], read: Callable[[Any], T]) -> Flow[T]:
        url = f"{self._base_url}{path}{'?' if query else ''}{urlencode(query)}"
        retries = 0
        while True:
            request = self._http.build_request("GET", url, headers=_HEADERS)
            self._bearer.sign(request)
            kept = self._cache.prepare(request)
            answer = yield request
            if isinstance(answer, httpx.Response):
                if answer.status_code == httpx.codes.NOT_MODIFIED and kept:
                    return _result(kept, answer, read)
                if answer.status_code == httpx.codes.OK:
                    result = _result(answer.content, answer, read)
                    self._cache.keep(request, answer)
                    return result
                failure = _refusal(answer, request)
            else:
                failure = _transport_failure(answer, request)
                failure.__cause__ = answer
            wait = _wait(failure, retries) if retries < self._max_retries else None
            if wait is None:
                raise failure
            retries += 1
            _log.info("retry %d of %d in %.2f s: %s", retries, self._max_retries, wait, failure)
            yield wait


class _Bearer:
    """The credential. Only requests get it, and httpx masks it there, so that no repr and no log shows it."""

    def __init__(self, key: ApiKey) -> None:
        checked = "" if callable(key) else _checked(key)
        self._current = key if callable(key) else lambda: checked

    def sign(self, request: httpx.Request) -> None:
        request.headers["authorization"] = f"Bearer {_checked(self._current())}"


def _checked(key: str) -> str:
    # Files of keys end in a newline.
    key = key.strip()
    if not key:
        raise exceptions.ConfigurationError("api_key: not set: pass api_key or set CLOAKR_API_KEY")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise exceptions.ConfigurationError("api_key: invalid: must be printable ASCII without spaces")
    return key


class _Cache:
    """Responses with their entity tags, by URL and credential; the least recently used go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, bytes], tuple[str, bytes]] = OrderedDict()
        self._bytes = 0

    def prepare(self, request: httpx.Request) -> bytes | None:
        """Makes the request conditional if there is a response, and returns that response's body."""
        with self._lock:
            tag, content = self._entries.get(key := _cache_key(request), (None, None))
            if tag:
                self._entries.move_to_end(key)
                request.headers["if-none-match"] = tag
            return content

    def keep(self, request: httpx.Request, response: httpx.Response) -> None:
        content, tag = response.content, response.headers.get("etag")
        with self._lock:
            self._bytes -= len(self._entries.pop(key := _cache_key(request), ("", b""))[1])
            if tag and len(content) <= _CACHE_BYTES:
                self._entries[key] = (tag, content)
                self._bytes += len(content)
            while self._bytes > _CACHE_BYTES or len(self._entries) > _CACHE_ENTRIES:
                self._bytes -= len(self._entries.popitem(last=False)[1][1])


def _cache_key(request: httpx.Request) -> tuple[str, bytes]:
    return str(request.url), hashlib.sha256(request.headers["authorization"].encode()).digest()


def _root(base_url: str | None) -> str:
    # No default: it would send the keys of a self-hosted catalogue to another host.
    if not base_url:
        raise exceptions.ConfigurationError("base_url: not set: pass base_url or set CLOAKR_BASE_URL")
    base_url = base_url.strip()
    with contextlib.suppress(httpx.InvalidURL):
        url = httpx.URL(base_url)
        plain = not (url.userinfo or "?" in base_url or "#" in base_url)
        if url.scheme in {"http", "https"} and url.host and (url.port or 0) < 1 << 16 and plain:
            path = url.raw_path.decode().rstrip("/").removesuffix("/v1")
            return f"{url.scheme}://{url.netloc.decode()}{path}"
    raise exceptions.ConfigurationError("base_url: invalid: must be http(s)://host[:port][/path] without credentials")


def _query(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    query = []
    for name, value in filters.items():
        if name not in ModelFilters.__annotations__:
            raise TypeError(f"models() got an unexpected keyword argument {name!r}")
        values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
        query += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values if one is not None]
    return query


def _page(wire: dict[str, Any]) -> tuple[list[ListedModel], str]:
    return [ListedModel.from_wire(model) for model in wire["data"]], wire.get("next_page_token") or ""


def _result(content: bytes, response: httpx.Response, read: Callable[[Any], T]) -> T:
    try:
        return read(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise exceptions.InvalidResponseError(
            f"response: not as documented: {type(error).__name__}: {error}",
            status=response.status_code,
            request_id=response.headers.get("x-request-id"),
        ) from error


_BY_STATUS: dict[int, type[exceptions.CloakrError]] = {
    401: exceptions.AuthenticationError,
    403: exceptions.PermissionDeniedError,
    404: exceptions.NotFoundError,
    429: exceptions.RateLimitError,
    503: exceptions.ServiceUnavailableError,
    504: exceptions.CloakrTimeoutError,
}


def _refusal(response: httpx.Response, request: httpx.Request) -> exceptions.CloakrError:
    """Returns the error of a response, documented or a gateway's."""
    status = response.status_code
    families = {4: exceptions.InvalidRequestError, 5: exceptions.ServerError}
    cls = _BY_STATUS.get(status) or families.get(status // 100, exceptions.InvalidResponseError)
    try:
        error = dict(response.json()["error"])
    except (ValueError, TypeError, KeyError):
        error = {}
    message = str(error.get("message") or f"HTTP status {status}: not an answer of the service")
    return cls(
        # A gateway that debugs may echo the request.
        message.replace(request.headers["authorization"].removeprefix("Bearer "), "[api key]"),
        status=status,
        code=error.get("code"),
        kind=error.get("type"),
        request_id=response.headers.get("x-request-id"),
        retry_after=_seconds(response.headers.get("retry-after")),
    )


def _transport_failure(error: httpx.RequestError | None, request: httpx.Request) -> exceptions.CloakrError:
    text = f"{request.url.netloc.decode()}: {type(error).__name__}: {error}"
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return exceptions.CloakrTimeoutError(text)
    if isinstance(error, httpx.TransportError):
        return exceptions.CloakrConnectionError(text)
    return exceptions.InvalidResponseError(text)


def _seconds(retry_after: str | None) -> float | None:
    """Returns the seconds of a Retry-After, which is a number or a date (RFC 9110, 10.2.3)."""
    if retry_after and retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after or "") - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a time zone
        return None


def _wait(failure: exceptions.CloakrError, retries: int) -> float | None:
    """Returns the seconds to wait before the next attempt; None if there should be none."""
    retried = exceptions.RateLimitError, exceptions.ServiceUnavailableError, exceptions.CloakrConnectionError
    after = failure.retry_after or 0.0
    if not isinstance(failure, retried) or after > _MAX_RETRY_AFTER:
        return None
    # Full jitter: clients that failed together do not return together.
    return after + random.uniform(0, min(_MAX_BACKOFF, _FIRST_BACKOFF * 2**retries))  # noqa: S311

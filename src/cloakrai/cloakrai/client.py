"""The two clients: one blocks, one is for asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import Self, TypeVar, Unpack

import httpx

from cloakrai.exchange import MAX_RETRIES, TIMEOUT, Answer, ApiKey, Exchange, Flow, ModelFilters
from cloakrai.results import Model, ModelList

T = TypeVar("T")


class CloakrClient(Exchange[httpx.Client]):
    """A client of the models API. It may be shared by threads; close it, or use it as a context manager.

    Args:
        api_key: API key or JWT, or a function that returns the current one. Default: `CLOAKR_API_KEY`.
        base_url: Root of the service, such as `http://127.0.0.1:8080`. Default: `CLOAKR_BASE_URL`.
        timeout: Seconds to wait for a connection, and for each next part of the response.
        max_retries: Attempts after the first, on 429, 503 and broken connections.
        http_client: Your own httpx client, with its own timeout, proxies and certificates. You close it.

    Raises:
        ConfigurationError: The key or the base URL is missing or invalid.
    """

    def __init__(
        self,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.Client | None = None,
    ) -> None:
        super().__init__(api_key, base_url, max_retries)
        self._http = http_client or httpx.Client(timeout=timeout)
        self._owned = http_client is None

    def models(self, **filters: Unpack[ModelFilters]) -> ModelList:
        """Returns all models that match, from as many pages as there are.

        Raises:
            CloakrError: The service refused, failed or could not be reached.
        """
        return self._run(self._list(filters))

    def model(self, model_id: str) -> Model:
        """Returns a model by its id in the list or its UUID.

        Raises:
            NotFoundError: There is no such model for this caller.
            CloakrError: The service refused, failed or could not be reached.
        """
        return self._run(self._model(model_id))

    def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            answer = None
            if isinstance(step, float):
                time.sleep(step)
                continue
            try:
                answer = self._http.send(step, auth=None, follow_redirects=False)
            except httpx.RequestError as error:
                answer = error


class AsyncCloakrClient(Exchange[httpx.AsyncClient]):
    """`CloakrClient` for asyncio: the same arguments and methods, to be awaited."""

    def __init__(
        self,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(api_key, base_url, max_retries)
        self._http = http_client or httpx.AsyncClient(timeout=timeout)
        self._owned = http_client is None

    async def models(self, **filters: Unpack[ModelFilters]) -> ModelList:
        """Returns all models that match: see `CloakrClient.models`."""
        return await self._run(self._list(filters))

    async def model(self, model_id: str) -> Model:
        """Returns a model by its id in the list or its UUID: see `CloakrClient.model`."""
        return await self._run(self._model(model_id))

    async def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        answer: Answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            answer = None
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            try:
                answer = await self._http.send(step, auth=None, follow_redirects=False)
            except httpx.RequestError as error:
                answer = error

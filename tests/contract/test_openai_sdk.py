"""The official OpenAI SDK, pointed at the documents' paths and at OpenAI's dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.documents import TABLES
from tests.support.service import Service

IDS = [row[0] for row in TABLES]


def options(service: Service, path: str) -> dict[str, Any]:
    return {"base_url": f"http://{service.place.http}{path}", "api_key": service.keys.reader, "max_retries": 0}


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(**options(service, "/v1")) as one:
        yield one


@pytest.fixture
def strict_options(service: Service) -> dict[str, Any]:
    """Of a client of the dialect that raises an error if a response is not what OpenAI's own is."""
    return {**options(service, "/openai/v1"), "_strict_response_validation": True}


@pytest.fixture
def strict(strict_options: dict[str, Any]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(**strict_options) as one:
        yield one


def test_it_lists_the_models(client: openai.OpenAI) -> None:
    models = list(client.models.list())

    assert IDS == [model.id for model in models]
    assert {"model"} == {model.object for model in models}
    assert [row[5] for row in TABLES] == [model.owned_by for model in models]


def test_it_retrieves_each(client: openai.OpenAI) -> None:
    for model in client.models.list():
        retrieved = client.models.retrieve(model.id).to_dict()
        assert model.id == retrieved["modelName"]


def test_the_dialects_models_pass_its_strict_parsing(strict: openai.OpenAI) -> None:
    models = list(strict.models.list())

    assert IDS == [model.id for model in models]
    assert models == [strict.models.retrieve(name) for name in IDS]
    assert {"id", "object", "created", "owned_by"} == models[0].to_dict().keys()


def test_its_strict_parsing_finds_what_is_no_model_of_openai(service: Service) -> None:
    with (
        openai.OpenAI(**options(service, "/v1"), _strict_response_validation=True) as one,
        pytest.raises(openai.APIResponseValidationError),
    ):
        one.models.retrieve("gpt-4o")


def test_its_asynchronous_client_parses_them_too(strict_options: dict[str, Any]) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(**strict_options) as one:
            return [(await one.models.retrieve(model.id)).id async for model in one.models.list()]

    assert IDS == asyncio.run(ask())


@pytest.mark.parametrize(
    ("key", "error", "kind", "message", "code"),
    [
        ("wrong", openai.AuthenticationError, "authentication_error", "Invalid API key", "invalid_api_key"),
        (
            "without_scope",
            openai.PermissionDeniedError,
            "permission_error",
            "Access to models endpoint denied",
            "access_denied",
        ),
        ("reader", openai.NotFoundError, "not_found_error", "The model 'gpt-9' does not exist", "model_not_found"),
    ],
)
def test_it_raises_its_own_errors_with_the_documented_words(
    service: Service,
    client: openai.OpenAI,
    key: str,
    error: type[openai.APIStatusError],
    kind: str,
    message: str,
    code: str,
) -> None:
    with pytest.raises(error) as raised:
        client.with_options(api_key=getattr(service.keys, key, "wrong")).models.retrieve("gpt-9")

    assert {"type": kind, "message": message, "code": code} == raised.value.body
    assert (kind, code) == (raised.value.type, raised.value.code)


@pytest.mark.parametrize(
    ("key", "error", "parameter", "code"),
    [
        ("wrong", openai.AuthenticationError, None, "invalid_api_key"),
        ("without_scope", openai.PermissionDeniedError, None, "access_denied"),
        ("reader", openai.NotFoundError, "model", "model_not_found"),
    ],
)
def test_the_dialects_errors_have_openais_members(
    service: Service,
    strict: openai.OpenAI,
    key: str,
    error: type[openai.APIStatusError],
    parameter: str | None,
    code: str,
) -> None:
    with pytest.raises(error) as raised:
        strict.with_options(api_key=getattr(service.keys, key, "wrong")).models.retrieve("gpt-9")

    assert ("invalid_request_error", parameter, code) == (raised.value.type, raised.value.param, raised.value.code)
    assert raised.value.request_id


def test_the_dialects_errors_name_the_parameter(strict: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        strict.models.list(extra_query={"order_by": "size"})

    assert ("order_by", "invalid_request") == (raised.value.param, raised.value.code)
    assert raised.value.message.startswith("Error code: 400")

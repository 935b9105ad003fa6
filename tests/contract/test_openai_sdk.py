"""The official OpenAI SDK, pointed at the service."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.support.documents import TABLES
from tests.support.service import Service


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://{service.place.http}/v1", api_key=service.keys.reader, max_retries=0) as one:
        yield one


def test_it_lists_the_models(client: openai.OpenAI) -> None:
    models = list(client.models.list())

    assert [row[0] for row in TABLES] == [model.id for model in models]
    assert {"model"} == {model.object for model in models}
    assert [row[5] for row in TABLES] == [model.owned_by for model in models]


def test_it_retrieves_each(client: openai.OpenAI) -> None:
    for model in client.models.list():
        retrieved = client.models.retrieve(model.id).to_dict()
        assert model.id == retrieved["modelName"]


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

"""JSON that the server has ready, and JSON that Envoy's transcoder prints: the same, whatever a model holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelservice.domain.principal import MODELS_READ_ANY
from modelservice.domain.text import printable
from modelservice.domain.values import EXACT_INTEGER_MAX, UINT32_MAX
from modelservice.manage.keys import create_key
from modelservice.manage.models import create_model
from modelservice.manage.system_catalogue import import_catalogue
from tests.support.harness import Place, Process, wait_until
from tests.support.service import Keys, prepare

EXAMPLES = itertools.count()
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
# Names have no control characters; what is drawn instead has many backslashes.
lines = text.map(printable)
uint32 = st.integers(0, UINT32_MAX) | st.sampled_from([0, 1, UINT32_MAX])
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-EXACT_INTEGER_MAX, EXACT_INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
labels = st.lists(st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8})?", fullmatch=True), max_size=4, unique=True)
models = st.fixed_dictionaries(
    {"display_name": lines.filter(bool), "provider": lines.filter(bool)},
    optional={
        "description": text,
        "enabled": st.booleans(),
        "created": uint32,
        "context_window": uint32,
        "max_tokens": uint32,
        "max_tokens_per_request": uint32,
        "credit_multiplier": uint32,
        "cost_per_1k_tokens": st.floats(0, allow_infinity=False, allow_nan=False),
        "capabilities": labels,
        "compliance": labels,
        "encryption_supported": st.booleans(),
        "pii_redaction_supported": st.booleans(),
        "supports_streaming": st.booleans(),
        "supports_tools": st.booleans(),
        "metadata": st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8), json_values, max_size=4
        ),
        "system_prompt": text,
        "system_prompt_id": st.uuids().map(str),
        "permission_id": lines,
    },
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Place, Keys]]:
    """Two services on one database: one with ready JSON, one with the transcoder's."""
    ready = Place(tmp_path_factory.mktemp("ready"), {"MODELSERVICE_REFRESH_INTERVAL": "0.05"})
    printed = Place(
        tmp_path_factory.mktemp("printed"),
        {"MODELSERVICE_REFRESH_INTERVAL": "0.05", "MODELSERVICE_REST_RENDERING": "transcoder"},
    )
    printed.database_url = ready.database_url
    keys = prepare(ready)
    owned = {
        "name": "own/bot",
        "display_name": '"\\ü',
        "description": '"\\ü\u2028\x1b',
        "metadata": {"b": [None, 1.5], "a": {}},
        "system_prompt": "\n",
    }
    create_model(ready.database_url, "test", "acme", "gpt-4o", owned, prompt_quota=100)
    with Process(ready, "run") as one, Process(printed, "run") as other:
        one.wait_for("ready: ")
        other.wait_for("ready: ")
        yield ready, printed, keys


def same(both: tuple[Place, Place, Keys], target: str) -> Any:
    """Returns the answer to one request, which both services must give alike: body, status and type."""
    ready, printed, keys = both
    ours, theirs = (place.rest(target, keys.reader) for place in (ready, printed))
    assert (theirs.status, theirs.headers["content-type"]) == (ours.status, ours.headers["content-type"])
    assert theirs.json == ours.json
    assert shape(theirs.json) == shape(ours.json)
    return ours.json


def served(ready: Place, printed: Place, keys: Keys) -> set[object]:
    """Returns what either service shows as the marker's display name."""
    return {place.rest("/v1/models/marker", keys.reader).json.get("displayName") for place in (ready, printed)}


def shape(value: Any) -> Any:
    """Returns the order of a value's keys and its types: what equality does not see. Not below metadata: a map."""
    match value:
        case dict():
            return [(key, type(item) if key == "metadata" else shape(item)) for key, item in value.items()]
        case list():
            return [shape(item) for item in value]
        case int() | float() if not isinstance(value, bool):
            return "number"
        case _:
            return type(value)


def test_the_documented_catalogue_and_an_organizations_model(both: tuple[Place, Place, Keys]) -> None:
    listed = same(both, "/v1/models")["data"]
    assert {"gpt-4o", "own/bot"} < {item["id"] for item in listed}
    for item in listed:
        same(both, f"/v1/models/{item['id']}")


@pytest.mark.parametrize(
    "query", ["page_size=3", "q=none", "owned_by=acme", "order_by=id+desc&page_size=2&capability=reasoning"]
)
def test_some_models(both: tuple[Place, Place, Keys], query: str) -> None:
    assert ("page_size" in query) == ("next_page_token" in same(both, f"/v1/models?{query}"))


@pytest.mark.parametrize("target", ["/v1/models/none", "/v1/models/%zz", "/v1/models?page_token=x", "/v1/x"])
def test_refusals(both: tuple[Place, Place, Keys], target: str) -> None:
    assert "error" in same(both, target)


def test_the_transcoder_ignores_what_it_does_not_know(both: tuple[Place, Place, Keys]) -> None:
    _, printed, keys = both

    assert 200 == printed.rest("/v1/models?nonsense=1", keys.reader).status


def test_the_transcoder_takes_the_models_id_from_the_query_but_shows_no_model_of_others(
    both: tuple[Place, Place, Keys],
) -> None:
    _, printed, keys = both

    assert "claude-3-opus" == printed.rest("/v1/models/gpt-4o?model_id=claude-3-opus", keys.reader).json["modelName"]
    other = create_key(printed.database_url, "test", None, scopes={MODELS_READ_ANY}).text
    wait_until(lambda: 200 == printed.rest("/v1/models", other).status, "the key works")
    assert 404 == printed.rest("/v1/models/gpt-4o?model_id=own/bot", other).status


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(models, min_size=1, max_size=8))
def test_whatever_a_model_holds(both: tuple[Place, Place, Keys], drawn: list[dict[str, Any]]) -> None:
    ready, printed, keys = both
    named = [model | {"name": f"drawn-{number}"} for number, model in enumerate(drawn)]
    # Says that both services have these models, and not those of the example before.
    marker = {"name": "marker", "display_name": f"example {next(EXAMPLES)}", "provider": "p"}
    import_catalogue(ready.database_url, "test", [*named, marker])
    wait_until(lambda: {marker["display_name"]} == served(ready, printed, keys), "the drawn models are served")

    same(both, "/v1/models")
    for model in named:
        answer = same(both, f"/v1/models/{model['name']}")
        assert model.get("metadata", {}) == answer["metadata"]
        assert model["display_name"] == answer["displayName"]

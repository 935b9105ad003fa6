"""Filters, orders and pages of the list: drawn at random, asked over REST and gRPC, and compared with the rule."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloakrai.v1 import model_service_pb2 as pb
from cloakrai.v1.model_service_pb2_grpc import ModelServiceStub
from modelservice.catalogue.query.list_query import TAKES
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key
from modelservice.manage.models import create_model
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from tests.support.filters import ORDERS, expected
from tests.support.harness import Place, Process, channel, wait_until
from tests.support.service import Keys, prepare

CAPABILITIES = ["text-generation", "reasoning", "multimodal", "code-generation"]
COMPLIANCE = ["soc2", "gdpr", "hipaa"]
OWNERS = ["openai", "anthropic", "acme", "Other", "nobody"]
WINDOWS = [0, 1, 8192, 128000]
PRICES = [None, 0.0, 0.0015, 0.03]
WORDS = ["gpt", "TURBO", "fast", "über", "ß", "-m", "nowhere"]


@dataclass(repr=False)
class World:
    place: Place
    keys: Keys
    stub: ModelServiceStub
    # Every model that the caller sees, in catalogue order.
    models: list[dict[str, Any]]

    def __repr__(self) -> str:
        return "World"

    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return (("authorization", f"Bearer {self.keys.reader}"),)


def entry(number: int) -> dict[str, Any]:
    draw = random.Random(number)
    return {
        "name": f"{draw.choice(['x', 'X', 'y/z'])}-m{number}",
        "display_name": f"{draw.choice(['Fast', 'Über', 'GPT turbo'])} {number}",
        "provider": draw.choice(OWNERS[:4]),
        "created": 1_700_000_000 + draw.randrange(5),
        "description": draw.choice([None, "A fast one", "Maßarbeit"]),
        "context_window": draw.choice(WINDOWS),
        "cost_per_1k_tokens": draw.choice(PRICES),
        "capabilities": draw.sample(CAPABILITIES, draw.randrange(4)),
        "compliance": draw.sample(COMPLIANCE, draw.randrange(3)),
        "encryption_supported": draw.random() < 0.5,
        "pii_redaction_supported": draw.random() < 0.5,
        "enabled": draw.random() < 0.9,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = Place(tmp_path_factory.mktemp("filters"))
    keys = prepare(place)
    entries = [entry(number) for number in range(60)]
    import_catalogue(place.database_url, "test", entries)
    parents = [one["name"] for one in entries if one["enabled"]]
    for number in range(6):
        own = {"name": f"acme/bot-{number}", "display_name": f"Turbo bot {number}", "cost_per_1k_tokens": 0.0015}
        create_model(place.database_url, "test", "acme", parents[number], own, prompt_quota=1)
    with Process(place, "run") as process, channel(place.grpc) as one:
        process.wait_for("ready: ")
        listed = place.rest("/v1/models", keys.reader).json["data"]
        texts = {model["id"]: place.rest(f"/v1/models/{model['id']}", keys.reader).json for model in listed}
        for model in listed:
            full = texts[model["id"]]
            model["texts"] = f"{model['id']}\n{full['displayName']}\n{full.get('description', '')}".casefold()
        yield World(place, keys, ModelServiceStub(one), listed)


filters = st.fixed_dictionaries(
    {},
    optional={
        "capability": st.lists(st.sampled_from(CAPABILITIES), min_size=1, max_size=3),
        "compliance": st.lists(st.sampled_from(COMPLIANCE), min_size=1, max_size=2),
        "owned_by": st.lists(st.sampled_from(OWNERS), min_size=1, max_size=3),
        "min_context_window": st.sampled_from([*WINDOWS, 8193, 2**32 - 1]),
        "max_cost_per_1k_tokens": st.sampled_from([0.0, 0.0015, 0.002, 1e300]),
        "encryption_supported": st.booleans(),
        "pii_redaction_supported": st.booleans(),
        "q": st.lists(st.sampled_from(WORDS), max_size=2).map(" ".join),
        "order_by": st.sampled_from([*ORDERS, *(f"{field} desc" for field in ORDERS)]),
    },
)


def rest_query(asked: dict[str, Any]) -> str:
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()}
    return f"?{urlencode(words, doseq=True)}" if words else ""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=filters)
def test_what_is_listed_is_what_the_rule_says(world: World, asked: dict[str, Any]) -> None:
    over_rest = world.place.rest(f"/v1/models{rest_query(asked)}", world.keys.reader)
    over_grpc = world.stub.ListModels(pb.ListModelsRequest(**asked), metadata=world.metadata())

    assert 200 == over_rest.status, over_rest.body
    assert expected(world.models, asked) == [model["id"] for model in over_rest.json["data"]]
    assert expected(world.models, asked) == [model.id for model in over_grpc.data]
    assert ["object", "data"] == list(over_rest.json)
    by_id = {model["id"]: model for model in world.models}
    for model in over_rest.json["data"]:
        assert {**model, "texts": by_id[model["id"]]["texts"]} == by_id[model["id"]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=filters, page_size=st.integers(1, 70), over_rest=st.booleans())
def test_the_pages_are_the_list(world: World, asked: dict[str, Any], page_size: int, *, over_rest: bool) -> None:
    found: list[str] = []
    token = ""
    while True:
        request = asked | {"page_size": page_size} | ({"page_token": token} if token else {})
        if over_rest:
            page = world.place.rest(f"/v1/models{rest_query(request)}", world.keys.reader).json
            ids, token = [model["id"] for model in page["data"]], page.get("next_page_token", "")
        else:
            answer = world.stub.ListModels(pb.ListModelsRequest(**request), metadata=world.metadata())
            ids, token = [model.id for model in answer.data], answer.next_page_token
            assert bool(token) == answer.HasField("next_page_token")
        assert page_size == len(ids) if token else len(ids) <= page_size
        found += ids
        if not token:
            break

    assert expected(world.models, asked) == found


def test_an_empty_page_is_a_list_without_models(world: World) -> None:
    answer = world.place.rest("/v1/models?q=nothing+has+this&page_size=5", world.keys.reader)

    assert b'{"object":"list","data":[]}' == answer.body


def test_parameters_that_are_empty_or_ignored_leave_the_documents_answer(world: World) -> None:
    whole = world.place.rest("/v1/models", world.keys.reader)
    for query in ("?q=", "?order_by=&page_token=&page_size=0", "?limit=3&user=me"):
        answer = world.place.rest(f"/v1/models{query}", world.keys.reader)

        assert (whole.body, whole.headers["etag"]) == (answer.body, answer.headers["etag"])


def test_a_page_has_at_most_1000_models(world: World) -> None:
    # Fewer than that are here: the bound itself is a unit test's.
    assert len(world.models) == len(world.place.rest("/v1/models?page_size=100000", world.keys.reader).json["data"])


WRONG = [
    ("capability=Reasoning", "capability: must be lower-case words joined by '-', '_' or '.', at most 20 of them"),
    ("capability=", "capability: must be lower-case words joined by '-', '_' or '.', at most 20 of them"),
    ("capability=a,b", "capability: must be lower-case words joined by '-', '_' or '.', at most 20 of them"),
    (
        "&".join(["compliance=a"] * 21),
        "compliance: must be lower-case words joined by '-', '_' or '.', at most 20 of them",
    ),
    ("owned_by=", "owned_by: must be 1 to 256 characters, at most 20 of them"),
    ("owned_by=" + "x" * 257, "owned_by: must be 1 to 256 characters, at most 20 of them"),
    ("max_cost_per_1k_tokens=-0.1", "max_cost_per_1k_tokens: must be a number from 0"),
    ("max_cost_per_1k_tokens=NaN", "max_cost_per_1k_tokens: must be a number from 0"),
    ("max_cost_per_1k_tokens=0x1p3", "max_cost_per_1k_tokens: must be a number from 0"),
    ("max_cost_per_1k_tokens=%30%5810", "max_cost_per_1k_tokens: must be a number from 0"),
    ("max_cost_per_1k_tokens=Infinity", "max_cost_per_1k_tokens: must be a number from 0"),
    *((f"encryption_supported={text}", "encryption_supported: must be true or false") for text in ("1", "yes", "TRUE")),
    ("q=" + "x" * 257, "q: must be at most 8 words, of 256 characters together"),
    ("q=a+b+c+d+e+f+g+h+i", "q: must be at most 8 words, of 256 characters together"),
    *(
        (
            f"order_by={text}",
            "order_by: must be one of created, id, context_window, cost_per_1k_tokens, or one of them with ' desc'",
        )
        for text in ("name", "id+asc", "id+desc+desc", "desc", "id++desc", "+id", "%0C", "ID", "created,id", "-created")
    ),
    ("page_size=-1", "page_size: must be a whole number from 0 to 2147483647; more than 1000 means 1000"),
    *(
        (
            f"page_token={token}",
            "page_token: must be the next_page_token of the previous page, with the same parameters and caller",
        )
        for token in ("x", "AAAA", "%C3%BC", "A" * 1000, "-" * 64, "=")
    ),
]


@pytest.mark.parametrize(("query", "message"), WRONG, ids=[query[:40] for query, _ in WRONG])
def test_a_wrong_value_is_refused_with_what_its_parameter_takes(world: World, query: str, message: str) -> None:
    answer = world.place.rest(f"/v1/models?{query}", world.keys.reader)

    assert (
        400,
        {"error": {"type": "invalid_request_error", "message": message, "code": "invalid_request"}},
    ) == (answer.status, answer.json)


def test_a_wrong_value_is_refused_over_grpc_too(world: World) -> None:
    for request in (
        pb.ListModelsRequest(page_size=-1),
        pb.ListModelsRequest(order_by="name"),
        pb.ListModelsRequest(capability=["A"]),
        pb.ListModelsRequest(max_cost_per_1k_tokens=float("nan")),
        pb.ListModelsRequest(page_token="x"),  # noqa: S106
    ):
        with pytest.raises(grpc.RpcError) as raised:
            world.stub.ListModels(request, metadata=world.metadata())
        ((field, _),) = request.ListFields()
        assert grpc.StatusCode.INVALID_ARGUMENT == raised.value.code()
        assert str(raised.value.details()).startswith(f"{field.name}: must be ")


UNTYPED = [
    *(
        "page_size=" + text
        for text in ("x", "", "2.5", "1e3", "2147483648", "-2147483649", "+5", "%2B5", "%00", "9" * 5000)
    ),
    *("min_context_window=" + text for text in ("-1", "abc", "", "4294967296", "1e5", "0x10", "%D9%A1")),
    *(
        "max_cost_per_1k_tokens=" + text
        for text in ("x", "", "1,5", "$1", "1_0", "1e999", "1" * 20_000 + "x", "1" * 65)
    ),
    *("encryption_supported=" + text for text in ("maybe", "", "2")),
]


@pytest.mark.parametrize("query", UNTYPED, ids=lambda query: query[:40])
def test_a_value_of_another_type_is_refused_with_what_its_parameter_takes(world: World, query: str) -> None:
    answer = world.place.rest(f"/v1/models?{query}", world.keys.reader)

    name = query.partition("=")[0]
    assert (400, f"{name}: must be {TAKES[name]}") == (answer.status, answer.json["error"]["message"])


@pytest.mark.parametrize("pair", ["", "_=1", "capability=reasoning"])
def test_a_query_has_an_end(world: World, pair: str) -> None:
    fits, exceeds = (
        world.place.rest(f"/v1/models?{'&'.join([pair] * count)}", world.keys.reader) for count in (20, 201)
    )

    assert (200, 400, "The query must have at most 200 parameters") == (
        fits.status,
        exceeds.status,
        exceeds.json["error"]["message"],
    )


@pytest.mark.parametrize("name", sorted(pb.ListModelsRequest.DESCRIPTOR.fields_by_name))
def test_a_value_that_is_not_utf_8_is_refused(world: World, name: str) -> None:
    answer = world.place.rest(f"/v1/models?{name}=%FF", world.keys.reader)

    assert (400, f"{name}: must be UTF-8") == (answer.status, answer.json["error"]["message"])


@pytest.mark.parametrize("name", sorted(pb.ListModelsRequest.DESCRIPTOR.fields_by_name))
def test_only_what_is_repeatable_may_be_given_twice(world: World, name: str) -> None:
    field = pb.ListModelsRequest.DESCRIPTOR.fields_by_name[name]
    value = "true" if field.type == field.TYPE_BOOL else "1"
    # The name's spelling does not count.
    other = name.replace("_", "%5F") if "_" in name else f"%{ord(name[0]):x}{name[1:]}"
    answer = world.place.rest(f"/v1/models?{name}={value}&{other}={value}", world.keys.reader)

    if field.is_repeated:
        assert 200 == answer.status
    else:
        assert (400, f"{name}: must be given once") == (answer.status, answer.json["error"]["message"])


@pytest.mark.parametrize("name", sorted(pb.ListModelsRequest.DESCRIPTOR.fields_by_name))
def test_a_parameter_without_a_value_is_refused(world: World, name: str) -> None:
    answer = world.place.rest(f"/v1/models?{name}", world.keys.reader)

    assert (400, f"{name}: must have a value") == (answer.status, answer.json["error"]["message"])


def test_get_takes_none_of_them(world: World) -> None:
    answer = world.place.rest("/v1/models/gpt-4o?capability=reasoning", world.keys.reader)

    accepted = "_, after, api-version, client_version, limit, order, user"
    assert f"Unknown query parameter: capability. Accepted: {accepted}" == answer.json["error"]["message"]


def test_filters_tell_nobody_of_models_that_are_not_theirs(world: World) -> None:
    create_organization(world.place.database_url, "test", "other")
    key = create_key(world.place.database_url, "test", "other", scopes={MODELS_READ}).text

    def seen() -> Any:
        return world.place.rest("/v1/models?q=bot&order_by=id", key)

    wait_until(lambda: seen().status == 200, "the key is known")
    assert [] == seen().json["data"]
    assert 6 == len(world.place.rest("/v1/models?q=bot", world.keys.reader).json["data"])


def test_a_token_is_good_for_its_own_request_alone(world: World) -> None:
    first = world.place.rest("/v1/models?page_size=3&capability=reasoning&order_by=id", world.keys.reader).json
    token = first["next_page_token"]

    def status(query: str, key: str = world.keys.reader) -> int:
        return world.place.rest(f"/v1/models?page_token={token}&{query}", key).status

    assert 200 == status("page_size=3&capability=reasoning&order_by=id")
    # The size may change (AIP-158), and so may what means the same.
    assert 200 == status("page_size=5&order_by=id&capability=reasoning&capability=reasoning")
    assert 200 == status("capability=reasoning&order_by=id")
    for other in (
        "page_size=3",
        "page_size=3&capability=reasoning",
        "page_size=3&capability=multimodal&order_by=id",
        "page_size=3&capability=reasoning&order_by=id+desc",
        "page_size=3&capability=reasoning&order_by=id&q=a",
        "page_size=3&capability=reasoning&order_by=id&encryption_supported=false",
    ):
        assert 400 == status(other), other


def test_chosen_lists_have_entity_tags_and_are_compressed(world: World) -> None:
    path = "/v1/models?capability=reasoning"
    plain = world.place.rest(path, world.keys.reader)
    packed = world.place.rest(path, world.keys.reader, headers={"accept-encoding": "gzip"})
    known = world.place.rest(path, world.keys.reader, headers={"if-none-match": plain.headers["etag"]})
    other = world.place.rest("/v1/models?capability=multimodal", world.keys.reader)

    assert "gzip" == packed.headers["content-encoding"]
    assert plain.body == gzip.decompress(packed.body)
    assert plain.headers["etag"] == packed.headers["etag"]
    assert (304, b"") == (known.status, known.body)
    assert plain.headers["etag"] != other.headers["etag"]

"""What becomes of the rows of version 0.1, whose models had a column for each field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from modelservice.domain.fields import BY_NAME, FIELDS
from modelservice.domain.layers import STATED, effective_values, in_order, stated_whole
from modelservice.domain.model import Model, OrganizationModel
from modelservice.store import schema
from modelservice.store.access import Access
from modelservice.store.changes import Changes, read_changes
from modelservice.store.checking import Issue, inspect
from modelservice.store.database import Database
from modelservice.store.queries import Queries, read
from modelservice.store.rows import Record
from modelservice.store.tables import api_keys
from tests.support.old_schema import SYSTEM, add, add_own_model, add_revisions, add_system_model, old_database
from tests.support.postgres import VERSIONS, Cluster

DATABASES = ["sqlite", *(f"postgres {version}" for version in VERSIONS)]
DEEP: Any = 1
# With the metadata and the number, the 30 levels that there may be.
for _ in range(28):
    DEEP = {"level": DEEP}
METADATA = {"null": None, "häßlich": "שלום", "price": 1e-07, "whole": 1.0, "list": [1, None, {"a": []}], "deep": DEEP}
EVERYTHING: dict[str, Any] = {
    "display_name": "مرحبا 🚀",
    "permission_id": "modelperm-1",
    "description": "",
    "enabled": False,
    "context_window": 2**32 - 1,
    "max_tokens": 0,
    "max_tokens_per_request": 5,
    "cost_per_1k_tokens": 1e-07,
    "credit_multiplier": 7,
    "capabilities": ["multimodal", "x.1", "reasoning"],
    "compliance": ["soc2"],
    "encryption_supported": True,
    "pii_redaction_supported": True,
    "supports_streaming": True,
    "supports_tools": True,
    "metadata": json.dumps(METADATA),
    "system_prompt": "ע" * 100_000,
    "system_prompt_id": str(UUID(int=77)),
}


class World:
    """A migrated database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def queries(self, see: Any) -> Any:
        with read(Database(self.url, Access.READ)) as queries:
            return see(queries)

    def record(self, name: str) -> Record:
        (found,) = self.queries(lambda queries: queries.named([name]))
        return found  # type: ignore[no-any-return]

    def layers(self, name: str) -> dict[str, Mapping[str, Any]]:
        uuid = self.record(name).id
        found = self.queries(lambda queries: queries.model_layers([uuid]))
        assert not any(layer.guessed for layer in found.get(uuid, ()))
        return {layer.source: layer.document for layer in found.get(uuid, ())}

    def changes(self) -> Changes:
        found = read_changes(Database(self.url, Access.READ), None)
        assert found
        return found

    def served(self, name: str) -> Model | OrganizationModel:
        changes = self.changes()
        models: list[Model | OrganizationModel] = [*changes.models, *changes.organization_models]
        (found,) = [one for one in models if one.name == name]
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with Database(self.url, Access.READ).transaction() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]


def made(request: pytest.FixtureRequest, folder: Path) -> str:
    """Returns a database with the schema of 0.1 and nothing in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'old.db'}"
    else:
        cluster: Cluster = request.getfixturevalue(request.param.replace(" ", "_"))
        url = cluster.empty(f"old_{uuid4().hex}")
    old_database(url)
    return url


def migrated(url: str) -> World:
    assert schema.Migration("0003", "0005") == schema.migrate(Database(url, Access.CREATE))
    return World(url)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return made(request, tmp_path)


@pytest.fixture(scope="module", params=DATABASES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """All that 0.1 could store, migrated."""
    url = made(request, tmp_path_factory.mktemp("migration"))
    add_revisions(url, 9)
    add(url, "organizations", id="acme", created=1, deleted=False, revision=1)
    with Database(url, Access.CREATE).transaction() as connection:
        key = {
            "id": "key",
            "digest": b"\0" * 32,
            "organization_id": "acme",
            "name": "mine",
            "scopes": ["models:read"],
            "created": 1,
            "revision": 5,
        }
        connection.execute(sa.insert(api_keys).values(key))
    add(url, "clients", id="machine", organization_id="acme", created=5, deleted=False, revision=4)
    add_system_model(url, "of-0001", context_window=5)
    add_system_model(
        url, "everything", **EVERYTHING, source="litellm", sources=dict.fromkeys(EVERYTHING, "prices.yaml")
    )
    add_system_model(
        url,
        "mixed",
        description="by hand",
        context_window=8,
        max_tokens=9,
        capabilities=["reasoning"],
        source="litellm",
        sources={"description": "update", "context_window": "models.dev", "capabilities": "documented"},
    )
    add_system_model(
        url,
        "at-defaults",
        source="a.yaml",
        sources={
            "max_tokens": "b.yaml",
            "supports_tools": "b.yaml",
            "context_window": "b.yaml",
            "compliance": "b.yaml",
            "metadata": "b.yaml",
            "enabled": "update",
        },
    )
    add_system_model(url, "empty", source="a.yaml", sources=dict.fromkeys(("provider", "display_name"), "update"))
    add_system_model(url, "dated", created=77, source="a.yaml", sources={"created": "a.yaml"})
    add_system_model(
        url,
        "documented",
        context_window=3,
        capabilities=["reasoning"],
        source="documented",
        sources={"context_window": "documented", "max_tokens": "update", "supports_tools": "update"},
    )
    add_system_model(url, "by-update", source="update", sources={"provider": "update"})
    add_system_model(url, "nameless-source", source="x" * 300, sources={"max_tokens": "y" * 300})
    add_system_model(url, "strange-source", max_tokens=4, source="a.yaml", sources=["max_tokens"])
    name = str(UUID(int=500))
    add_system_model(url, name, id=name, deleted=True, max_tokens=4, source="a.yaml", sources={"max_tokens": "a.yaml"})
    for shape in ("a/b:c@1.0_x-Y", "Z" * 256):
        add_system_model(url, shape)
    parent = add_system_model(url, "parent", enabled=False)
    add_own_model(
        url,
        "own",
        parent,
        capabilities=[],
        metadata='{"a":null}',
        context_window=4,
        supports_tools=False,
        description="ours",
        system_prompt="p",
        cost_per_1k_tokens=2,
    )
    add_own_model(url, "own-disabled", parent, enabled=False)
    name = str(UUID(int=501))
    add_own_model(url, name, parent, deleted=True, system_prompt=None)
    return migrated(url)


def test_values_are_stated_by_the_sources_recorded_for_them(world: World) -> None:
    layers = world.layers("mixed")

    assert {
        "litellm": {"display_name": "The mixed", "provider": "them", "max_tokens": 9},
        "manual": {"description": "by hand"},
        "models.dev": {"context_window": 8},
        "documented": {"capabilities": {"has": ["reasoning"], "only": True}},
    } == layers


def test_values_of_the_first_schema_belong_to_file(world: World) -> None:
    assert {"file": {"display_name": "The of-0001", "provider": "them", "context_window": 5}} == world.layers("of-0001")


def test_values_recorded_at_their_defaults_are_stated(world: World) -> None:
    layers = world.layers("at-defaults")

    expected: dict[str, Any] = {
        "max_tokens": None,
        "supports_tools": False,
        "context_window": 0,
        "compliance": {},
        "metadata": {},
    }
    assert expected == layers["b.yaml"]
    assert {"enabled": True} == layers["manual"]


def test_the_source_of_a_model_has_a_layer_that_may_be_empty(world: World) -> None:
    assert {} == world.layers("empty")["a.yaml"]


def test_a_release_date_is_stated_if_a_source_did(world: World) -> None:
    assert [77, None] == [world.layers(name).get("a.yaml", {}).get("created") for name in ("dated", "at-defaults")]


def test_a_model_keeps_its_times(world: World) -> None:
    record = world.record("everything")
    assert (SYSTEM["created"], SYSTEM["updated"]) == (record.created, record.updated)


def test_documented_states_everything_that_no_other_source_does(world: World) -> None:
    expected: dict[str, Any] = {
        field.name: stated_whole(field, field.default)
        for field in STATED
        if field.name not in ("created", "max_tokens", "supports_tools")
    }
    expected |= {"display_name": "The documented", "provider": "them", "context_window": 3}
    expected["capabilities"] = {"has": ["reasoning"], "only": True}

    assert expected == world.layers("documented")["documented"]


def test_a_model_added_by_update_was_created(world: World) -> None:
    assert True is world.layers("by-update")["manual"]["$created"]


def test_long_names_of_sources_are_shortened(world: World) -> None:
    layers = world.layers("nameless-source")
    assert {256} == {len(source) for source in layers}
    assert {"x", "y"} == {source[0] for source in layers}


def test_sources_that_cannot_be_read_leave_values_to_the_models_source(world: World) -> None:
    assert {"a.yaml"} == world.layers("strange-source").keys()


def test_the_document_is_the_domains_merge_of_the_layers(world: World) -> None:
    def see(queries: Queries) -> None:
        ranks = {name: source.rank for name, source in queries.sources().items()}
        layers = queries.model_layers()
        for record in (*queries.system_models(), *queries.organization_models()):
            ordered = in_order(layers[record.id], ranks)
            expected = effective_values(record.name, ordered, is_system=record.organization_id is None)
            assert json.dumps(expected, sort_keys=True) == json.dumps(record.document, sort_keys=True)

    world.queries(see)


def test_every_value_is_served_as_before(world: World) -> None:
    model = world.served("everything")
    for field in FIELDS:
        if field.name in EVERYTHING:
            expected = METADATA if field.name == "metadata" else EVERYTHING[field.name]
            assert (field.name, expected) == (field.name, field.plain(getattr(model, field.name)))


def test_no_model_is_lost(world: World) -> None:
    changes = world.changes()
    assert (13, 2, ()) == (len(changes.models), len(changes.organization_models), changes.unreadable)


def test_sources_are_ranked(world: World) -> None:
    ranks = {name: source.rank for name, source in world.queries(lambda queries: queries.sources()).items()}
    expected = {"manual": 1000, "prices.yaml": 500, "file": 499, "documented": 300, "models.dev": 200, "litellm": 100}
    assert expected.items() <= ranks.items()


def test_history_begins_with_the_last_revision_of_0_1(world: World) -> None:
    query = "SELECT from_revision, until_revision FROM "
    rows = [row for table in ("layers", "model_states", "sources") for row in world.rows(query + table)]
    assert {(9, None)} == set(rows)
    assert 9 == world.queries(lambda queries: queries.history_from())


def test_deleted_models_keep_their_uuids_and_nothing_else(world: World) -> None:
    deleted = world.rows("SELECT name, document FROM models WHERE deleted ORDER BY name")
    assert [(str(UUID(int=500)), "{}"), (str(UUID(int=501)), "{}")] == deleted
    assert [] == world.rows("SELECT 1 FROM layers, models WHERE model_id = id AND deleted")


def test_states_have_the_names_of_models(world: World) -> None:
    expected = world.rows("SELECT id, name, deleted FROM models ORDER BY id")
    assert expected == world.rows("SELECT model_id, name, deleted FROM model_states ORDER BY model_id")


def test_an_organizations_model_is_what_its_administrators_set(world: World) -> None:
    assert {
        "manual": {
            "$created": True,
            "display_name": "Our own",
            "enabled": True,
            "context_window": 4,
            "supports_tools": False,
            "description": "ours",
            "system_prompt": "p",
            "cost_per_1k_tokens": 2.0,
            "capabilities": {"only": True},
            "metadata": {"has": {"a": None}, "only": True},
        }
    } == world.layers("own")


def test_an_organizations_model_holds_what_it_does_not_inherit(world: World) -> None:
    assert [{"display_name": "Our own-disabled", "enabled": False}, []] == [
        world.record("own-disabled").document,
        world.record("own").document["capabilities"],
    ]


def test_other_tables_are_not_touched(world: World) -> None:
    assert [("machine", "acme", 5, 4)] == world.rows("SELECT id, organization_id, created, revision FROM clients")
    assert [("key", "mine", 5)] == world.rows("SELECT id, name, revision FROM api_keys")
    assert [9, 9] == [world.rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("audit", "revisions")]  # noqa: S608
    assert ["s1", "token-9"] == [
        world.rows("SELECT subject FROM audit WHERE revision = 1")[0][0],
        world.rows("SELECT token FROM revisions WHERE number = 9")[0][0],
    ]


def test_a_check_finds_nothing(world: World) -> None:
    assert [] == inspect(Database(world.url, Access.READ))


def test_migrating_again_changes_nothing(world: World) -> None:
    assert schema.Migration("0005", "0005") == schema.migrate(Database(world.url, Access.CREATE))


def test_an_empty_database_begins_at_revision_0(url: str) -> None:
    world = migrated(url)

    assert (0, []) == (world.queries(lambda queries: queries.history_from()), inspect(Database(url, Access.READ)))


WRONG = [
    ("capabilities", '"reasoning"'),
    ("capabilities", "5"),
    ("compliance", "null"),
    ("compliance", "[1]"),
    ("metadata", "[]"),
    ("metadata", "{"),
    ("metadata", '{"a":NaN}'),
    ("metadata", '{"a":1e999}'),
    ("metadata", '{"a":' * 100_000),
    ("context_window", -1),
    ("context_window", 2**62),
    ("cost_per_1k_tokens", float("inf")),
    ("cost_per_1k_tokens", -1.5),
    ("display_name", ""),
    ("provider", ""),
    ("created", -5),
    ("system_prompt_id", "nothing"),
]
WRONG_ON_SQLITE = [
    ("display_name", b"\xff"),
    ("description", b"a\xff"),
    ("capabilities", b'["a\xff"]'),
    ("metadata", b"{\xff}"),
    ("name", b"n\xff"),
    ("context_window", "many"),
    ("enabled", 7),
    ("position", "first"),
]


def test_rows_that_cannot_be_read_stay_so_and_harm_no_other(url: str) -> None:
    add_revisions(url, 2)
    wrong = [*WRONG, *(WRONG_ON_SQLITE if url.startswith("sqlite") else ())]
    for number, (column, value) in enumerate(wrong):
        add_system_model(url, f"wrong-{number}", **{"source": "a.yaml", "sources": {column: "b.yaml"}, column: value})
    add_system_model(url, "whole", context_window=4)

    changes = migrated(url).changes()

    assert ["whole"] == [model.name for model in changes.models]
    assert len(wrong) == len(changes.unreadable)


def test_an_organizations_rows_that_cannot_be_read_stay_so(url: str) -> None:
    add_revisions(url, 3)
    add(url, "organizations", id="acme", created=1, deleted=False, revision=1)
    parent = add_system_model(url, "parent")
    wrong = [pair for pair in WRONG if pair[0] not in ("provider", "created") and pair[1] != "null"]
    for number, (column, value) in enumerate(wrong):
        add_own_model(url, f"wrong-{number}", parent, **{column: value})
    add_own_model(url, "whole", parent)

    changes = migrated(url).changes()

    assert ["whole"] == [model.name for model in changes.organization_models]
    assert len(wrong) == len(changes.unreadable)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_broken_reference_stays_one(url: str) -> None:
    add_revisions(url, 3)
    add_own_model(url, "own", str(UUID(int=9)))

    migrated(url)

    reasons = {issue.reason for issue in inspect(Database(url, Access.READ)) if issue.table == "models"}
    assert {
        "organization_id: refers to a missing row of organizations",
        "parent_id: refers to a missing row of models",
    } <= reasons


@pytest.mark.parametrize("url", [name for name in DATABASES if name != "sqlite"], indirect=True)
def test_readers_on_postgres_may_still_read(url: str) -> None:
    role = f"reader_{uuid4().hex}"
    with Database(url, Access.CREATE).transaction() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"GRANT SELECT ON models TO {role}")

    world = migrated(url)

    query = f"SELECT table_name FROM information_schema.role_table_grants WHERE grantee = '{role}'"  # noqa: S608
    assert {"models", "layers", "model_states", "sources"} == {table for (table,) in world.rows(query)}


def test_values_that_layers_do_not_state_are_a_problem(url: str) -> None:
    add_revisions(url, 2)
    model_id = add_system_model(url, "changed", source="a.yaml")
    migrated(url)
    with Database(url, Access.WRITE).transaction() as connection:
        connection.exec_driver_sql('UPDATE layers SET document = \'{"provider":"others"}\'')

    found = inspect(Database(url, Access.READ))

    assert [Issue("problem", "models", model_id, "values: differ from what its sources state")] == found


def test_the_fields_are_those_of_the_table() -> None:
    # The migration has a copy of it. If this fails, only the test has to learn of the new field.
    assert set(EVERYTHING) | {"id", "name", "provider", "created"} == BY_NAME.keys()

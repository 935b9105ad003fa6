"""Fills a database with many models, organizations and keys."""

from __future__ import annotations

import hashlib
import itertools
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, insert

from modelservice.domain.layers import CREATED, MANUAL, Document, Layer, effective_values, in_order
from modelservice.domain.principal import MODELS_READ, ApiKey
from modelservice.domain.values import canonical_json
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.rows import Record, key_to_row, record_to_row
from modelservice.store.tables import api_keys, layers, model_states, models, organizations, sources
from modelservice.store.writing import write

NOW = 1_750_000_000
# A catalogue file of one's own, below which a source guesses.
_RANKS = {"catalogue.yaml": 500, "litellm": 100}
_CHUNK = 1_000
_SEED = 5


@dataclass(frozen=True, slots=True)
class Population:
    """How much there is of everything.

    Attributes:
        system: System models.
        owned: Models of organizations.
        organizations: Organizations, which have the same number of models and keys each.
        keys: API keys.
        prompt_bytes: The length of each organization's model's system prompt.
    """

    system: int
    owned: int
    organizations: int
    keys: int
    prompt_bytes: int = 256


def fill(url: str, population: Population) -> None:
    """Fills a migrated, empty database, in one write."""
    dice = random.Random(_SEED)
    with write(Database(url, Access.WRITE), NOW, "benchmark") as change:
        change.record("benchmark.fill", "everything", {})
        names = [f"organization-test-{uuid.UUID(int=dice.getrandbits(128))}" for _ in range(population.organizations)]
        system = [_system_model(number, dice) for number in range(population.system)]

        def put(table: Table, rows: Iterable[dict[str, Any]], **marks: object) -> None:
            left = iter(rows)
            while chunk := [row | marks for row in itertools.islice(left, _CHUNK)]:
                change._connection.execute(insert(table), chunk)

        def put_models(found: Iterator[tuple[Record, list[Layer]]]) -> None:
            while chunk := list(itertools.islice(found, _CHUNK)):
                put(models, (record_to_row(record) for record, _ in chunk), revision=change._revision)
                put(model_states, (_state(record) for record, _ in chunk), from_revision=change._revision)
                rows = (_layer(record, layer) for record, stated in chunk for layer in stated)
                put(layers, rows, from_revision=change._revision)

        held = {"deleted": False, "revision": change._revision}
        put(organizations, ({"id": name, "created": NOW} for name in names), **held)
        ranks = {**_RANKS, MANUAL: 1_000}
        put(sources, ({"name": name, "rank": rank} for name, rank in ranks.items()), from_revision=change._revision)
        put_models(iter(system))
        put_models(_owned_model(number, names, system, population, dice) for number in range(population.owned))
        put(api_keys, (key_to_row(_key(number, names)) for number in range(population.keys)), **held)
    with Database(url, Access.WRITE).transaction() as connection:
        # As Postgres does by itself within a minute.
        connection.exec_driver_sql("ANALYZE")


def _system_model(number: int, dice: random.Random) -> tuple[Record, list[Layer]]:
    provider, name = f"provider-{number % 40}", f"provider-{number % 40}/model-{number}"
    stated = {
        "display_name": f"Model {number}",
        "provider": provider,
        "description": "A model of the benchmark, described in a sentence of usual length.",
        "context_window": 128_000,
        "max_tokens": 128_000,
        "max_tokens_per_request": 4_096,
        "cost_per_1k_tokens": 0.005,
        "capabilities": {"has": ["text-generation", "code-generation", "reasoning"]},
        "compliance": {"has": ["soc2", "gdpr"]},
        "metadata": {"has": {"family": f"family-{number % 100}"}},
    }
    guesses = {"display_name": name, "capabilities": {"has": ["text-generation"]}}
    found = [Layer("catalogue.yaml", guessed=False, document=stated), Layer("litellm", guessed=True, document=guesses)]
    return _record(number, name, found, dice), found


def _owned_model(
    number: int,
    names: list[str],
    system: list[tuple[Record, list[Layer]]],
    population: Population,
    dice: random.Random,
) -> tuple[Record, list[Layer]]:
    stated = {CREATED: True, "display_name": f"Own {number}", "system_prompt": "p" * population.prompt_bytes}
    found = [Layer(MANUAL, guessed=False, document=stated)]
    owner, parent = names[number % len(names)], system[number % len(system)][0]
    return _record(number, f"own-{number}", found, dice, owner, parent.id), found


def _record(
    number: int,
    name: str,
    found: list[Layer],
    dice: random.Random,
    owner: str | None = None,
    parent_id: uuid.UUID | None = None,
) -> Record:
    return Record(
        id=uuid.UUID(int=dice.getrandbits(128)),
        name=name,
        organization_id=owner,
        parent_id=parent_id,
        position=number + 1,
        created=NOW,
        updated=NOW,
        document=effective_values(name, in_order(found, _RANKS), is_system=owner is None),
    )


def _state(record: Record) -> dict[str, Any]:
    return {"model_id": str(record.id), "name": record.name, "deleted": False}


def _layer(record: Record, layer: Layer) -> dict[str, Any]:
    document: Document = layer.document
    return {
        "model_id": str(record.id),
        "source": layer.source,
        "guessed": layer.guessed,
        "document": canonical_json(document),
    }


def _key(number: int, names: list[str]) -> ApiKey:
    return ApiKey(
        id=f"{number:012}",
        digest=hashlib.sha256(str(number).encode()).digest(),
        organization_id=names[number % len(names)],
        name="",
        scopes=frozenset({MODELS_READ}),
        created=NOW,
    )

"""Fills a database with many models, organizations and keys."""

from __future__ import annotations

import hashlib
import itertools
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, insert

from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import MODELS_READ, ApiKey
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.rows import key_to_row, model_to_row, organization_model_to_row
from modelservice.store.tables import api_keys, models, organization_models, organizations
from modelservice.store.writing import write

NOW = 1_750_000_000
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

        def put(table: Table, rows: Iterator[dict[str, Any]]) -> None:
            marks = {"deleted": False, "revision": change._revision}
            while chunk := [row | marks for row in itertools.islice(rows, _CHUNK)]:
                change._connection.execute(insert(table), chunk)

        put(organizations, ({"id": name, "created": NOW} for name in names))
        put(models, (model_to_row(model) | {"source": "benchmark", "sources": {}} for model in system))
        owned = (_owned_model(number, names, system, population, dice) for number in range(population.owned))
        put(organization_models, (organization_model_to_row(model) for model in owned))
        put(api_keys, (key_to_row(_key(number, names)) for number in range(population.keys)))
    with Database(url, Access.WRITE).transaction() as connection:
        # As Postgres does by itself within a minute.
        connection.exec_driver_sql("ANALYZE")


def _system_model(number: int, dice: random.Random) -> Model:
    return Model(
        id=uuid.UUID(int=dice.getrandbits(128)),
        name=f"provider-{number % 40}/model-{number}",
        display_name=f"Model {number}",
        provider=f"provider-{number % 40}",
        created=NOW,
        updated=NOW,
        position=number + 1,
        description="A model of the benchmark, described in a sentence of usual length.",
        context_window=128_000,
        max_tokens=128_000,
        max_tokens_per_request=4_096,
        cost_per_1k_tokens=0.005,
        capabilities=("text-generation", "code-generation", "reasoning"),
        compliance=("soc2", "gdpr"),
        metadata={"family": f"family-{number % 100}"},
    )


def _owned_model(
    number: int, names: list[str], system: list[Model], population: Population, dice: random.Random
) -> OrganizationModel:
    return OrganizationModel(
        id=uuid.UUID(int=dice.getrandbits(128)),
        organization_id=names[number % len(names)],
        parent_id=system[number % len(system)].id,
        name=f"own-{number}",
        display_name=f"Own {number}",
        created=NOW,
        updated=NOW,
        position=number + 1,
        system_prompt="p" * population.prompt_bytes,
    )


def _key(number: int, names: list[str]) -> ApiKey:
    return ApiKey(
        id=f"{number:012}",
        digest=hashlib.sha256(str(number).encode()).digest(),
        organization_id=names[number % len(names)],
        name="",
        scopes=frozenset({MODELS_READ}),
        created=NOW,
    )

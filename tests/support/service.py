"""A service with the documented catalogue: its database, its keys, and the command that runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelservice.domain.principal import MODELS_READ
from modelservice.manage import keys, maintenance, organizations, system_catalogue
from tests.support.harness import Place, Process


@dataclass(frozen=True)
class Keys:
    """API keys of the organization `acme`."""

    reader: str
    without_scope: str


@dataclass(frozen=True)
class Service:
    """A running service: the documented catalogue behind a real Envoy."""

    place: Place
    process: Process
    keys: Keys


def prepare(place: Place) -> Keys:
    """Makes a database with the documented catalogue, an organization and keys."""
    maintenance.migrate(place.database_url)
    system_catalogue.load_documented(place.database_url, "test")
    organizations.create_organization(place.database_url, "test", "acme")
    return Keys(
        reader=keys.create_key(place.database_url, "test", "acme", scopes={MODELS_READ}).text,
        without_scope=keys.create_key(place.database_url, "test", "acme", scopes=()).text,
    )


@contextlib.contextmanager
def running(folder: Path, settings: dict[str, str] | None = None) -> Iterator[Service]:
    """Runs a service with the documented catalogue in a folder of its own."""
    place = Place(folder, settings or {})
    made = prepare(place)
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        yield Service(place, process, made)

"""A service with the documented catalogue: its database, its keys, and the command that runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modelservice.domain.principal import MODELS_READ
from modelservice.manage import keys, maintenance, organizations, system_catalogue
from tests.support.databases import migrated
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
    file = place.folder / "test.db"
    if place.database_url == f"sqlite:///{file}" and not file.exists():
        migrated(file)
    else:
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


class Services:
    """Running services, one for each set of settings, for tests that only read. They may add organizations and keys.

    Args:
        new_folder: Makes a folder with a name like the given one.
    """

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        self._new_folder = new_folder
        self._stack = contextlib.ExitStack()
        self._running: dict[frozenset[tuple[str, str]], Service] = {}

    def of(self, **settings: str) -> Service:
        """Returns the service that has the settings, and starts it if there is none yet."""
        profile = frozenset(settings.items())
        if profile not in self._running:
            self._running[profile] = self._stack.enter_context(running(self._new_folder("service"), dict(settings)))
        return self._running[profile]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

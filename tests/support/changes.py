"""Changes of a catalogue, as a person makes them with commands, and what comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from modelservice.domain.model import Model
from modelservice.manage.auditing import list_audit
from modelservice.manage.lookup import ModelRef
from modelservice.manage.models import Changed, delete_models, show_model, undelete_models, update_models
from modelservice.manage.outcome import Outcome
from modelservice.manage.system_catalogue import import_catalogue
from modelservice.store.access import Access
from modelservice.store.database import Database
from modelservice.store.queries import read
from tests.support.models import entry

QUOTA: Final = 10_000
# Sources by rank: a file of one's own, and two that others publish.
OWN, MODELS_DEV, LITELLM = "c.yaml", "models.dev", "litellm"


def state(url: str, source: str, *entries: dict[str, Any], **options: Any) -> Outcome:
    """Imports what a source states."""
    return import_catalogue(url, "test", entries, source=source, **options)


def guess(url: str, source: str, name: str, guesses: dict[str, Any], **stated: Any) -> Outcome:
    """Imports what a source states of a model, and what its importer guessed."""
    return state(url, source, entry(name, **stated) | {"guesses": guesses}, guesses=True)


def update(
    url: str, name: str, *, organization: str | None = None, unset: Sequence[str] = (), **fields: Any
) -> Changed:
    return update_models(url, "test", [ModelRef(name, organization)], fields, unset=unset, prompt_quota=QUOTA)


def delete(url: str, *names: str, organization: str | None = None) -> Changed:
    return delete_models(url, "test", [ModelRef(name, organization) for name in names], confirmed=True)


def undelete(url: str, *names: str, organization: str | None = None, new_name: str | None = None) -> Changed:
    return undelete_models(url, "test", [ModelRef(name, organization) for name in names], name=new_name)


def show(url: str, name: str, organization: str | None = None) -> Model:
    return show_model(url, ModelRef(name, organization))


def revision(url: str) -> int:
    """Returns the number of the last write."""
    with read(Database(url, Access.READ)) as queries:
        return queries.revision()


def last_detail(url: str) -> dict[str, Any]:
    """Returns what the audit has of the last write."""
    return dict(list_audit(url, 0)[-1].detail)


def layers_of(url: str, name: str) -> set[tuple[str, bool]]:
    """Returns the sources that state something about a system model, each with whether it guesses."""
    with read(Database(url, Access.READ)) as queries:
        record = queries.system_model(name)
        assert record
        return {layer.key for layer in queries.model_layers([record.id]).get(record.id, ())}

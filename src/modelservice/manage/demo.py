"""Fills a new database for `run --demo`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from modelservice.auth.api_key import PresentedKey
from modelservice.domain.principal import MODELS_READ
from modelservice.manage.keys import create_key, list_keys
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization, list_organizations
from modelservice.manage.system_catalogue import load_documented

ORGANIZATION: Final = "demo"
_ACTOR: Final = "--demo"


def prepare(database_url: str) -> None:
    """Migrates the database and, if it never had a model, imports the documented catalogue.

    Raises:
        SchemaMismatchError: It belongs to another program, or has a newer version's schema. It was not changed.
    """
    migrate(database_url)
    load_documented(database_url, _ACTOR)


@dataclass(frozen=True, slots=True)
class DemoKey:
    """The organization of a demo, and its new key.

    The key is None if the organization has one, which cannot be shown again, or if the database has other
    organizations: a demo adds no key to a database in use.
    """

    organization_id: str
    key: PresentedKey | None = None


def make_key(database_url: str) -> DemoKey:
    """Creates the demo organization with a key, unless there is a valid key or the database is in use."""
    organizations = {organization.id for organization in list_organizations(database_url)}
    if organizations - {ORGANIZATION}:
        return DemoKey(ORGANIZATION if ORGANIZATION in organizations else min(organizations))
    now = time.time()
    if any(key.organization_id == ORGANIZATION and key.usable(now) for key in list_keys(database_url)):
        return DemoKey(ORGANIZATION)
    if not organizations:
        create_organization(database_url, _ACTOR, ORGANIZATION)
    key = create_key(database_url, _ACTOR, ORGANIZATION, scopes={MODELS_READ}, name="made by --demo")
    return DemoKey(ORGANIZATION, key)

"""What `--demo` makes: enough to try the service, in a database that is nobody's yet."""

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
    """Migrates the database and, when it has no models, imports the documented catalogue.

    Raises:
        SchemaMismatchError: The database holds something else, or a newer version's schema. It was not touched.
        DatabaseUnavailableError: The database cannot be reached, or refuses.
    """
    migrate(database_url)
    load_documented(database_url, _ACTOR)


@dataclass(frozen=True, slots=True)
class DemoKey:
    """What a demo has to show.

    Attributes:
        organization_id: For which organization one can try the service.
        key: A new key of it; or None if there is one, which nobody can show again, or if the database has organizations
            of its own: a demo puts no key into somebody's database.
    """

    organization_id: str
    key: PresentedKey | None = None


def make_key(database_url: str) -> DemoKey:
    """Makes the demo organization and a key of it, unless there is such a key or the database is somebody's.

    Raises:
        SchemaMismatchError: The database does not have this version's schema.
        DatabaseUnavailableError: The database refuses.
    """
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

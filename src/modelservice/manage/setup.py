"""What a first start needs, without a question, and as often as one likes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from modelservice.domain.principal import MODELS_READ
from modelservice.errors import FileError
from modelservice.manage.catalogue_file import read_file
from modelservice.manage.keys import create_key
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization, list_organizations
from modelservice.manage.system_catalogue import ImportReport, import_catalogue, load_documented
from modelservice.store.schema import Migration


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was made.

    Attributes:
        schema: The schema's version before and after.
        imported: What the import of a catalogue file did; or, for the documented catalogue, whether it was imported.
        organization: Whether the organization was created.
        key: Whether the key was created.
    """

    schema: Migration
    imported: ImportReport | bool
    organization: bool = False
    key: bool = False


def set_up(
    database_url: str, actor: str, catalogue: Path | None, organization_id: str | None, key_file: Path | None
) -> SetUp:
    """Migrates the database, imports a catalogue, and makes an organization with a key.

    Args:
        database_url: Where.
        actor: Who does it, for the audit.
        catalogue: The catalogue file, imported each time; None for the documented one, where there never was a model.
        organization_id: Created if it does not exist; None for none.
        key_file: Gets a key of the organization, which may read, and can be read by its owner alone. One that exists
            is left as it is.

    Raises:
        InvalidCatalogueError: The catalogue cannot be imported.
        FileError: The key file cannot be written.
        SchemaMismatchError: The database holds something else, or a newer version's schema. It was not touched.
        DatabaseUnavailableError: The database cannot be reached, or refuses.
    """
    schema = migrate(database_url)
    imported: ImportReport | bool
    if catalogue:
        imported = import_catalogue(database_url, actor, read_file(catalogue))
    else:
        imported = load_documented(database_url, actor)
    if organization_id is None or key_file is None:
        return SetUp(schema, imported)
    is_new = organization_id not in {organization.id for organization in list_organizations(database_url)}
    if is_new:
        create_organization(database_url, actor, organization_id)
    return SetUp(schema, imported, is_new, _write_key(database_url, actor, organization_id, key_file))


def _write_key(database_url: str, actor: str, organization_id: str, key_file: Path) -> bool:
    """Creates a key and writes it to a file. Returns False if the file holds one already."""
    if key_file.exists() and key_file.stat().st_size:
        return False
    # The file first: a key that cannot be written down would be lost.
    try:
        # Neither what a link leads to, nor what somebody waits at the other end of.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(key_file, flags, 0o600), "w", encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise FileError(f"key file {key_file}: belongs to another user, or is no file: remove it first")
            os.fchmod(file.fileno(), 0o600)
            key = create_key(
                database_url, actor, organization_id, scopes={MODELS_READ}, name=f"init: {key_file.name}"[:200]
            )
            file.write(f"{key.text}\n")
    except OSError as error:
        raise FileError(f"key file {key_file}: {error.strerror}") from None
    return True

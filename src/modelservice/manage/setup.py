"""Prepares a database for the first start. Can be repeated."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from modelservice.domain.principal import MODELS_READ
from modelservice.errors import FileError
from modelservice.manage.catalogue_file import read_file, source_of
from modelservice.manage.keys import create_key
from modelservice.manage.maintenance import migrate
from modelservice.manage.organizations import create_organization, list_organizations
from modelservice.manage.outcome import Outcome
from modelservice.manage.system_catalogue import Part, import_parts, load_documented
from modelservice.store.schema import Migration


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was created.

    Attributes:
        schema: The schema's version before and after.
        imported: The report for a catalogue file; for the documented catalogue, whether it was imported.
        organization: Whether the organization was created.
        key: Whether the key was created.
    """

    schema: Migration
    imported: Outcome | bool
    organization: bool = False
    key: bool = False


def set_up(
    database_url: str, actor: str, catalogue: Path | None, organization_id: str | None, key_file: Path | None
) -> SetUp:
    """Migrates the database, imports a catalogue, and creates an organization with a key.

    Args:
        database_url: The database.
        actor: For the audit.
        catalogue: File to import every time; None imports the documented catalogue unless there ever was a model.
        organization_id: Created unless it exists; None for none.
        key_file: File for a new key of the organization with `models:read`, private to its owner. A file with content
            is not changed.

    Raises:
        InvalidCatalogueError: The catalogue cannot be imported.
        FileError: The key file cannot be written.
    """
    schema = migrate(database_url)
    imported: Outcome | bool
    if catalogue:
        file = read_file(catalogue)
        imported = import_parts(database_url, actor, [Part(source_of(catalogue), file.entries, file.revision)])
    else:
        imported = load_documented(database_url, actor)
    if organization_id is None or key_file is None:
        return SetUp(schema, imported)
    is_new = organization_id not in {organization.id for organization in list_organizations(database_url)}
    if is_new:
        create_organization(database_url, actor, organization_id)
    return SetUp(schema, imported, is_new, _write_key(database_url, actor, organization_id, key_file))


def _write_key(database_url: str, actor: str, organization_id: str, key_file: Path) -> bool:
    """Creates a key and writes it to a file. Returns False if the file has content."""
    if key_file.exists() and key_file.stat().st_size:
        return False
    # The file is opened first: a key that cannot be written would be lost.
    try:
        # Neither follow a symbolic link nor wait for the reader of a FIFO.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(key_file, flags, 0o600), "w", encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise FileError(f"key file {key_file}: must be a regular file of this user: remove it first")
            os.fchmod(file.fileno(), 0o600)
            key = create_key(
                database_url, actor, organization_id, scopes={MODELS_READ}, name=f"init: {key_file.name}"[:200]
            )
            file.write(f"{key.text}\n")
    except OSError as error:
        raise FileError(f"key file {key_file}: {error.strerror}") from None
    return True

"""Finds files that more users can reach than should."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from modelservice.store.access import Access
from modelservice.store.database import Database

_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def database_files(database_url: str) -> list[Path]:
    """Returns the files that hold a database, or held it before a restore; none for Postgres."""
    files = Database(database_url, Access.READ).files()
    return [*files, *sorted(files[0].parent.glob(f"{files[0].name}.before-restore-*"))] if files else []


def exposed(database: Iterable[Path], secrets: Iterable[Path], trusted: Iterable[Path]) -> list[tuple[Path, str]]:
    """Returns what is wrong with the permissions of files: which file, and a sentence.

    A file that does not exist is left out. A symbolic link counts as what it leads to.

    Args:
        database: The database's files (`database_files`), which are their owner's alone.
        secrets: Private keys, and files that hold settings. The group of one that is root's may read it: so it is
            mounted for a service that does not run as root.
        trusted: Files that everybody may read: certificates, authorities, an issuer's keys.
    """
    nobody = _OTHERS_READ | _OTHERS_WRITE
    found = [(path, _excess(path, nobody)) for path in database]
    found += [(path, _excess(path, nobody, of_root=nobody & ~stat.S_IRGRP)) for path in secrets]
    found += [(path, _excess(path, _OTHERS_WRITE)) for path in trusted]
    return [(path, sentence) for path, sentence in found if sentence]


def _excess(path: Path, unwanted: int, of_root: int | None = None) -> str:
    """Returns a sentence about the unwanted bits that a file's mode has; empty for none.

    Args:
        path: The file.
        unwanted: The bits.
        of_root: The bits that a file of root's should not have, where they are others.
    """
    try:
        found = path.stat()
    except OSError:
        return ""
    mode = stat.S_IMODE(found.st_mode)
    excess = mode & (unwanted if of_root is None or found.st_uid else of_root)
    verbs = [verb for verb, bits in (("read", _OTHERS_READ), ("write", _OTHERS_WRITE)) if excess & bits]
    if not verbs:
        return ""
    return f"other users can {' and '.join(verbs)} it (mode {mode:04o}): chmod {mode & ~excess:04o}"

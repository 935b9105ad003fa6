"""Finds files whose permissions are too wide."""

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
    """Returns the files of a SQLite database, and those that restores kept. None for Postgres."""
    files = Database(database_url, Access.READ).files()
    return [*files, *sorted(files[0].parent.glob(f"{files[0].name}.before-restore-*"))] if files else []


def exposed(database: Iterable[Path], secrets: Iterable[Path], trusted: Iterable[Path]) -> list[tuple[Path, str]]:
    """Returns each file whose permissions are too wide, with a sentence. Missing files are skipped, links followed.

    Args:
        database: Files private to their owner (`database_files`).
        secrets: Private keys and files with settings. If root owns one, its group may read it: containers mount secrets
            like that for a service that does not run as root.
        trusted: Files that everybody may read: certificates, CAs, an issuer's keys.
    """
    any_access = _OTHERS_READ | _OTHERS_WRITE
    found = [(path, _excess(path, any_access)) for path in database]
    found += [(path, _excess(path, any_access, of_root=any_access & ~stat.S_IRGRP)) for path in secrets]
    found += [(path, _excess(path, _OTHERS_WRITE)) for path in trusted]
    return [(path, sentence) for path, sentence in found if sentence]


def _excess(path: Path, unwanted: int, of_root: int | None = None) -> str:
    """Returns a sentence about the unwanted bits of a file's mode, or "". `of_root` replaces them for root's files."""
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

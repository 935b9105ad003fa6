"""The formats of imported catalogues: one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelservice.manage.catalogue_file import InvalidCatalogueError
from modelservice.manage.importing import litellm, models_dev
from modelservice.manage.importing.account import Conversion, Convert, Found, Selection, converted


@dataclass(frozen=True, slots=True)
class _Format:
    find: Callable[[Path], list[Found]]
    convert: Convert


_FORMATS: Final = {
    "litellm": _Format(litellm.find, litellm.convert),
    "models.dev": _Format(models_dev.find, models_dev.convert),
}
# Each is also the default name of the source.
NAMES: Final = tuple(_FORMATS)


def read(
    path: Path,
    name: str,
    selection: Selection,
    tracked: Callable[[list[Found]], Iterable[Found]] = iter,
) -> Conversion:
    """Converts a file.

    Args:
        path: The file; with `models.dev`, or a folder.
        name: The format.
        selection: Which entries are wanted.
        tracked: Iterates over the entries and shows the progress.

    Raises:
        InvalidCatalogueError: It cannot be read, no entry fits the selection, or none that does can be a model.
    """
    form = _FORMATS[name]
    found = form.find(path)
    for provider in selection.providers:
        if not any(item.provider == provider for item in found):
            raise InvalidCatalogueError([f"{path}: no entry has the provider {provider}"])
    for pattern in selection.patterns:
        if not any(Selection(patterns=(pattern,)).takes(item.name, None) for item in found):
            raise InvalidCatalogueError([f"{path}: no entry fits {pattern}"])
    done = converted(tracked(found), selection, form.convert)
    if not done.entries:
        reasons = sorted({finding.reason for finding in done.findings}) or ["nothing is selected"]
        shown = "; ".join(reasons[:3]) if found else "it is empty"
        raise InvalidCatalogueError([f"{path}: holds no model in the format {name}: {shown}"])
    return done

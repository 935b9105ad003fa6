"""models.dev's repository: a TOML file for each model of a provider, which may inherit from one in `models/`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelservice.manage.catalogue_file import InvalidCatalogueError

# What a provider's model does not inherit: it is of the model itself.
_NOT_INHERITED: Final = frozenset({"benchmarks", "license", "links", "weights"})


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A model whose file cannot be read, and why."""

    reason: str


def read_checkout(path: Path) -> dict[str, Any]:
    """Returns what `api.json` would hold; in the place of a model that cannot be read, an `Unreadable`.

    Args:
        path: The checkout, or the folder `providers` in it.

    Raises:
        InvalidCatalogueError: The folder is neither.
    """
    folder = path / "providers" if (path / "providers").is_dir() else path
    providers = sorted(file.parent for file in folder.glob("*/provider.toml"))
    if not providers:
        raise InvalidCatalogueError([f"{path}: holds no providers/*/provider.toml"])
    bases = folder.parent / "models"
    return {provider.name: _provider(provider, bases) for provider in providers}


def _provider(folder: Path, bases: Path) -> dict[str, Any]:
    about = _read(folder / "provider.toml")
    models = {}
    for file in sorted((folder / "models").rglob("*.toml")):
        model = file.relative_to(folder / "models").as_posix().removesuffix(".toml")
        models[model] = _model(file, bases)
    return {**({} if isinstance(about, Unreadable) else about), "models": models}


def _model(file: Path, bases: Path) -> dict[str, Any] | Unreadable:
    said = _read(file)
    if isinstance(said, Unreadable) or "base_model" not in said:
        return said
    name, omitted = said.pop("base_model"), said.pop("base_model_omit", [])
    known = isinstance(name, str) and ".." not in name
    base = _read(bases / f"{name}.toml") if known else Unreadable("no such name")
    if isinstance(base, Unreadable):
        return Unreadable("its base_model cannot be read")
    merged = _merged({key: value for key, value in base.items() if key not in _NOT_INHERITED}, said)
    for dotted in omitted if isinstance(omitted, list) else ():
        _omit(merged, str(dotted).split("."))
    return merged


def _read(file: Path) -> dict[str, Any] | Unreadable:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        return Unreadable("its file cannot be read")
    except (ValueError, RecursionError):
        return Unreadable("its file is no TOML")


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base}
    for key, value in own.items():
        inherited = base.get(key)
        merged[key] = _merged(inherited, value) if isinstance(inherited, dict) and isinstance(value, dict) else value
    return merged


def _omit(content: dict[str, Any], path: Iterable[str]) -> None:
    *outer, last = path
    for key in outer:
        inner = content.get(key)
        if not isinstance(inner, dict):
            return
        # The base is read anew for each model: nothing else holds this object.
        content = inner
    content.pop(last, None)

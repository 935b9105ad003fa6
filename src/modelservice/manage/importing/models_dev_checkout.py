"""models.dev's repository: a TOML file for each model of a provider, which may inherit from one in `models/`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelservice.manage.catalogue_file import InvalidCatalogueError
from modelservice.manage.untrusted_files import UnusableFileError, read_text

# What a provider's model does not inherit: it is of the model itself.
_NOT_INHERITED: Final = frozenset({"benchmarks", "license", "links", "weights"})
# A model's file has less than 2 KB.
_FILE_BYTES_MAX: Final = 64 * 1024
# All that is read: some 8 MB, as a base is read again for each model that inherits from it.
_BYTES_MAX: Final = 32 * 1024 * 1024
# In a line. A dotted key takes the square of its parts to read.
_DOTS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A model whose file cannot be read, and why."""

    reason: str


def read_checkout(path: Path) -> dict[str, Any]:
    """Returns what `api.json` would hold; in the place of a model that cannot be read, an `Unreadable`.

    Args:
        path: The checkout, or the folder `providers` in it.

    Raises:
        InvalidCatalogueError: The folder is neither, or holds too much.
    """
    root = path.resolve()
    folder = root / "providers" if (root / "providers").is_dir() else root
    found = sorted(folder.glob("*/provider.toml")) if folder.name == "providers" else []
    if not found:
        raise InvalidCatalogueError([f"{path}: holds no providers/*/provider.toml"])
    try:
        checkout = _Checkout(folder)
        return {file.parent.name: checkout.provider(file.parent) for file in found}
    except RecursionError:
        raise InvalidCatalogueError([f"{path}: is nested too deep"]) from None
    except UnusableFileError as error:
        raise InvalidCatalogueError([f"{path}: {error}"]) from None


class _Checkout:
    """Reads a checkout, and nothing outside it: any path in it may be a link to somewhere else.

    Args:
        providers: Its folder `providers`, with a path that has no link.
    """

    def __init__(self, providers: Path) -> None:
        self._providers = providers
        self._bases = providers.parent / "models"
        self._left = _BYTES_MAX

    def provider(self, folder: Path) -> dict[str, Any]:
        about = self._read(folder / "provider.toml", self._providers)
        models = {}
        # Before it is walked: a link to the root would be the whole disk.
        if (folder / "models").resolve().is_relative_to(self._providers):
            for file in sorted((folder / "models").rglob("*.toml")):
                models[file.relative_to(folder / "models").as_posix().removesuffix(".toml")] = self._model(file)
        return {**({} if isinstance(about, Unreadable) else about), "models": models}

    def _model(self, file: Path) -> dict[str, Any] | Unreadable:
        said = self._read(file, self._providers, self._bases)
        if isinstance(said, Unreadable) or "base_model" not in said:
            return said
        name, omitted = said.pop("base_model"), said.pop("base_model_omit", [])
        base = self._read(self._bases / f"{name}.toml", self._bases)
        if isinstance(base, Unreadable):
            return Unreadable("its base_model cannot be read")
        merged = _merged({key: value for key, value in base.items() if key not in _NOT_INHERITED}, said)
        for dotted in omitted if isinstance(omitted, list) else ():
            _omit(merged, str(dotted).split("."))
        return merged

    def _read(self, file: Path, *within: Path) -> dict[str, Any] | Unreadable:
        try:
            real = file.resolve(strict=True)
            if not any(map(real.is_relative_to, within)):
                return Unreadable("its file is outside the checkout")
            text = read_text(real, _FILE_BYTES_MAX)
        except (OSError, ValueError, RuntimeError):
            # A path with a NUL is a ValueError, a loop of links a RuntimeError.
            return Unreadable("its file cannot be read")
        self._left -= len(text)
        if self._left < 0:
            raise UnusableFileError(f"has more than {_BYTES_MAX} bytes")
        if any(line.count(".") > _DOTS_MAX for line in text.split("\n")):
            return Unreadable(f"its file has a line with more than {_DOTS_MAX} dots")
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError):
            return Unreadable("its file is not TOML")


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
        # The base is read again for each model: nothing else holds this object.
        content = inner
    content.pop(last, None)

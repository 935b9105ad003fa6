"""What a change of the catalogue does to the models, for reports, guards and the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from modelservice.domain.layers import PRIVATE, digest
from modelservice.errors import ConfirmationError

# The value before and after, by field, in JSON's types.
Difference = Mapping[str, tuple[Any, Any]]

# Removing more models than this, or a larger part of all system models, must be confirmed.
_REMOVED_MAX: Final = 20
_REMOVED_PART: Final = 10


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A value of a source that does not count, because a higher layer states another."""

    model: str
    field: str
    value: Any
    kept: Any
    source: str


@dataclass(slots=True)
class Outcome:
    """What a plan does, or would do, by model name. Models of organizations are called `organization: name`.

    Attributes:
        added: New models, with their values.
        changed: Models whose values change, with the differences.
        restored: Models that exist again, with their values.
        removed: Models that exist no longer, with their values.
        disabled: Models that no source states any longer, but whose children need them.
        restated: Models whose layers change, but no value.
        unchanged: Models that stay as they are.
        deleted: Models that sources state, but that an administrator deleted.
        shadowed: Values that do not count.
        lost: Private values that history does not have, as `model: field`.
        ranks: Sources with a new rank, before and after.
        held: Skipped entries whose name an organization's model has, with that organization.
        total: How many system models there were before.
        ids: The UUIDs of the models.
    """

    added: dict[str, Difference] = field(default_factory=dict)
    changed: dict[str, Difference] = field(default_factory=dict)
    restored: dict[str, Difference] = field(default_factory=dict)
    removed: dict[str, Difference] = field(default_factory=dict)
    disabled: dict[str, Difference] = field(default_factory=dict)
    restated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    shadowed: list[Shadowed] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ranks: dict[str, tuple[int, int]] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    total: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes, neither a value nor a layer."""
        return not (self.restated or self.ranks or any(values for _, values in self.changes))

    @property
    def changes(self) -> tuple[tuple[str, Mapping[str, Difference]], ...]:
        """What happens to models, and the differences of their values."""
        return (
            ("added", self.added),
            ("changed", self.changed),
            ("restored", self.restored),
            ("removed", self.removed),
            ("disabled", self.disabled),
        )

    @property
    def detail(self) -> dict[str, Any]:
        """The same as the audit stores it."""
        models = [
            {"model": name, "id": self.ids[name], "what": what, "fields": audited(values)}
            for what, changed in self.changes
            for name, values in changed.items()
        ]
        models += [{"model": name, "id": self.ids[name], "what": "restated", "fields": {}} for name in self.restated]
        ranks = {name: list(pair) for name, pair in self.ranks.items()}
        return {"models": models, **({"ranks": ranks} if ranks else {})}

    def require_confirmed(self, *, confirmed: bool) -> None:
        """Raises a ConfirmationError if too many models would be removed, unless that is confirmed."""
        names = [*self.removed, *self.disabled]
        # Names have no space: these are models of organizations.
        system = [name for name in names if " " not in name]
        # A single model is not removed by accident: a command names it.
        if len(names) > _REMOVED_MAX or (len(system) > 1 and len(system) * _REMOVED_PART > self.total):
            self._refuse(len(names), len(system), confirmed=confirmed)

    def _refuse(self, count: int, system: int, *, confirmed: bool) -> None:
        if not confirmed:
            what = f"{count} of {self.total} system models" if count == system else f"{count} models"
            raise ConfirmationError(f"{what} would be removed: nothing was changed: add --yes")


def audited(changes: Difference) -> dict[str, list[Any]]:
    """Returns a difference as the audit stores it: private values as digests."""
    return {name: [_audited(name, value) for value in pair] for name, pair in changes.items()}


def _audited(name: str, value: Any) -> Any:  # noqa: ANN401  (a value of any field)
    return digest(value) if name in PRIVATE and isinstance(value, str) else value

"""How an organization's model inherits from its parent.

An unset field has the parent's current value. A set field cannot claim more than the parent has; if the parent shrinks
later, the smaller value counts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from modelservice.domain.field_kind import Inheritance
from modelservice.domain.fields import BY_NAME, CLAIMS, INHERITED
from modelservice.domain.model import Model, OrganizationModel
from modelservice.errors import InvalidValueError

OWN: Final = "own"
FROM_PARENT: Final = "inherited"
LIMITED: Final = "limited by the parent"


@dataclass(frozen=True, slots=True)
class Effective:
    """An effective value and its origin: `OWN`, `FROM_PARENT` or `LIMITED`."""

    value: Any
    origin: str


def effective(own: OrganizationModel, parent: Model) -> dict[str, Effective]:
    """Returns the effective value of each field of `INHERITED`, and of `enabled`."""
    values = {name: _effective(name, getattr(own, name), getattr(parent, name)) for name in INHERITED}
    values["enabled"] = _effective("enabled", own.enabled, parent.enabled)
    return values


def inherit(own: OrganizationModel, parent: Model) -> Model:
    """Returns an organization's model as callers see it."""
    return Model(
        id=own.id,
        name=own.name,
        display_name=own.display_name,
        provider=None,
        created=own.created,
        updated=own.updated,
        position=own.position,
        organization_id=own.organization_id,
        parent_id=parent.id,
        parent_name=parent.name,
        **{name: item.value for name, item in effective(own, parent).items()},
    )


def check_claims(own: OrganizationModel, parent: Model, fields: Collection[str] = CLAIMS) -> None:
    """Raises InvalidValueError, with field, value and bound, if a model claims more than its parent has.

    Args:
        own: The organization's model.
        parent: Its parent.
        fields: The fields of `CLAIMS` to check.
    """
    for name in (field for field in CLAIMS if field in fields):
        value = getattr(own, name)
        if value is not None and _effective(name, value, getattr(parent, name)).origin == LIMITED:
            raise InvalidValueError(f"model {own.name}: {name} is {_shown(value)}: {_bound(name, parent)}")


def _effective(name: str, own: Any, parent: Any) -> Effective:  # noqa: ANN401  (fields of any type)
    if own is None:
        return Effective(parent, FROM_PARENT)
    match BY_NAME[name].inheritance:
        case Inheritance.COMMON:
            kept = tuple(label for label in own if label in parent)
            return Effective(kept, OWN if kept == own else LIMITED)
        case Inheritance.BOTH:
            return Effective(own and parent, OWN if parent or not own else LIMITED)
        case Inheritance.AT_MOST if not parent or own > parent:
            # An unknown limit of the parent allows no claim.
            return Effective(parent, LIMITED)
    return Effective(own, OWN)


def _bound(name: str, parent: Model) -> str:
    value = getattr(parent, name)
    if BY_NAME[name].inheritance is Inheritance.AT_MOST:
        return f"must be at most {value}, {parent.name}'s" if value else f"{parent.name}'s is unknown"
    return f"{parent.name} has {_shown(value)}"


def _shown(value: object) -> str:
    match value:
        case tuple():
            return ", ".join(value) or "none"
        case bool():
            return str(value).lower()
        case _:
            return str(value)

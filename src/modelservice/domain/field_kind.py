"""What is declared of a field of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final
from uuid import UUID

from modelservice.domain.values import (
    canonical_json,
    check_flag,
    check_labels,
    check_metadata,
    check_model_name,
    check_number,
    check_price,
    check_text,
    check_uuid,
)
from modelservice.errors import InvalidValueError

Check = Callable[[str, Any], None]


class Kind(Enum):
    """What a field holds."""

    NAME = "a model's name"
    UUID = "a UUID"
    TEXT = "text"
    NUMBER = "a whole number"
    PRICE = "a number from 0"
    FLAG = "true or false"
    LABELS = "labels"
    OBJECT = "a JSON object"


class Inheritance(Enum):
    """How an organization's own value is combined with its parent's."""

    OWN = "always its own"
    FREE = "own value counts"
    AT_MOST = "at most the parent's"
    BOTH = "true if both are"
    COMMON = "labels that both have"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most: of a number, of a text's characters, or of an object's bytes as JSON."""

    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field.

    Attributes:
        name: Its attribute of `Model`, column, and member in catalogue files.
        kind: What it holds.
        help: What it is and its unit, for the manual, the schema and options: without a period at the end.
        required: Whether a catalogue file must state it.
        nullable: Whether a system model's value may be None: unknown, or not applicable.
        default: Its value in a system model if nothing is stated.
        bounds: Of a system model's value.
        own_bounds: Of an organization's own value.
        inheritance: None if only the parent has the field, or only the model itself.
        option: The command-line option that sets it; None if no command does.
        line: Whether it is shown on one line, so that new values must not have control characters.
        vocabulary: Labels of the documents, in their order.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    nullable: bool = False
    default: Any = None
    bounds: Bounds | None = None
    own_bounds: Bounds | None = None
    inheritance: Inheritance | None = None
    option: str | None = None
    line: bool = False
    vocabulary: tuple[str, ...] = ()

    @property
    def is_inherited(self) -> bool:
        """Whether an organization's model without a value of its own has its parent's."""
        # A model is enabled or not, whatever its parent is.
        return self.inheritance not in (None, Inheritance.OWN) and self.name != "enabled"

    @property
    def check(self) -> Check:
        """Raises an InvalidValueError, given place and value, unless a system model may have the value."""
        return _check(self.kind, self.bounds, nullable=self.nullable)

    @property
    def own_check(self) -> Check:
        """The same for an organization's model, where None is inherited."""
        return _check(self.kind, self.own_bounds or self.bounds, nullable=self.is_inherited)

    def read(self, value: object) -> Any:  # noqa: ANN401  (a field of any kind)
        """Returns a value of a file in the type of the model's attribute. It is not checked."""
        if self.kind is Kind.LABELS and isinstance(value, list):
            return tuple(value)
        if self.kind is Kind.UUID and isinstance(value, str):
            try:
                return UUID(value)
            except ValueError:
                return value
        return value

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        """Returns a model's value in JSON's types."""
        if self.kind is Kind.LABELS and value is not None:
            return list(value)
        return str(value) if self.kind is Kind.UUID and value is not None else value


def _check(kind: Kind, bounds: Bounds | None, *, nullable: bool) -> Check:
    check: Check
    match kind:
        case Kind.TEXT if bounds:
            check = partial(check_text, shortest=bounds.least, longest=bounds.most)
        case Kind.NUMBER if bounds:
            check = partial(check_number, least=bounds.least, most=bounds.most)
        case Kind.OBJECT if bounds:
            check = partial(_check_small_object, most=bounds.most)
        case _:
            check = _CHECKS[kind]
    return partial(_check_unless_none, check=check) if nullable else check


_CHECKS: Final[Mapping[Kind, Check]] = {
    Kind.NAME: check_model_name,
    Kind.UUID: check_uuid,
    Kind.PRICE: check_price,
    Kind.FLAG: check_flag,
    Kind.LABELS: check_labels,
    Kind.OBJECT: check_metadata,
}


def _check_unless_none(what: str, value: object, *, check: Check) -> None:
    if value is not None:
        check(what, value)


def _check_small_object(what: str, value: object, *, most: int) -> None:
    check_metadata(what, value)
    size = len(canonical_json(value))
    if size > most:
        raise InvalidValueError(f"{what} has {size} bytes: must have at most {most}")

"""Options that several commands share."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from modelservice import config
from modelservice.domain.field_kind import Field, Kind
from modelservice.domain.fields import FIELDS
from modelservice.errors import InvalidValueError
from modelservice.manage.untrusted_files import UnusableFileError, parse_json

# Fields whose value may be long.
_FROM_FILES: Final = frozenset({"metadata", "system_prompt"})
_TYPES: Final[Mapping[Kind, click.ParamType[Any] | type]] = {
    Kind.NUMBER: int,
    Kind.PRICE: float,
    Kind.UUID: click.UUID,
}

F = TypeVar("F", bound=Callable[..., Any])

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# 100 years: now plus this fits every column.
_DURATION_MAX: Final = 100 * 365 * 86_400


def database_url() -> str:
    """Returns the setting. It checks all settings."""
    return config.load(os.environ).database_url


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return "unknown"


actor_option = click.option(
    "--actor", default=_user, show_default="your user name", help="Name recorded in the audit log."
)


class Duration(click.ParamType[int]):
    """A number and a unit, such as 90d, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Returns the seconds."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", str(value))
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 0 < seconds <= _DURATION_MAX:
            self.fail(f"{value!r} must be a number and a unit (s, m, h, d, w), at most 100 years: 90d", param, ctx)
        return seconds


class Moment(click.ParamType[int | str]):
    """A revision, or a time: as a number, or `@` and Unix seconds."""

    name = "revision|time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ANN401
        """Returns the revision or the time."""
        text = str(value)
        if re.fullmatch(r"[0-9]{1,18}", text):
            return int(text)
        now = int(time.time())
        if re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", text):
            return f"@{max(0, now - Duration().convert(text, param, ctx))}"
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} must be a revision, a time such as 2026-11-30T12:00:00Z, or how long ago: 7d", param, ctx
            )
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())
        if seconds > now:
            self.fail(f"{text!r} is in the future", param, ctx)
        return f"@{max(0, seconds)}"


def field_options(*, system: bool, required: Collection[str] = ()) -> Callable[[F], F]:
    """Returns a decorator that adds an option for each field of a model to a command.

    Args:
        system: Whether to add the fields that only system models have.
        required: Fields that must be given.
    """
    fields = [field for field in FIELDS if field.option and (system or field.inheritance)]

    def decorate(command: F) -> F:
        for field in reversed(fields):
            command = _option(field, required=field.name in required)(command)
        return command

    return decorate


def _option(field: Field, *, required: bool) -> Callable[[F], F]:
    text = f"{field.help}." if field.inheritance else f"{field.help}. Only for system models."
    match field.kind:
        case Kind.FLAG:
            return click.option(f"{field.option}/{_negated(str(field.option))}", field.name, default=None, help=text)
        case Kind.LABELS:
            text += " Repeatable. Replaces all of them."
            return click.option(str(field.option), field.name, multiple=True, help=text)
        case Kind.TEXT | Kind.OBJECT:
            text += " @FILE reads it from a file." if field.name in _FROM_FILES else ""
            text += " A system model keeps the members that are not named." if field.kind is Kind.OBJECT else ""
            return click.option(str(field.option), field.name, required=required, help=text)
        case _:
            return click.option(str(field.option), field.name, type=_TYPES[field.kind], help=text)


def _negated(option: str) -> str:
    return "--no-" + option.removeprefix("--")


def given_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a model that a command's options set.

    Raises:
        InvalidValueError: A file cannot be read, or the metadata is not JSON.
    """
    fields = {name: value for name, value in options.items() if value is not None and value != ()}
    for name in sorted(_FROM_FILES & fields.keys()):
        fields[name] = _text(name, fields[name])
    if "metadata" in fields:
        try:
            fields["metadata"] = parse_json(fields["metadata"])
        except UnusableFileError as error:
            raise InvalidValueError(f"metadata: {error}") from None
    return fields


def _text(name: str, given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise InvalidValueError(f"{name}: {given[1:]}: {reason}") from None

"""Options that several commands share."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from modelservice import config
from modelservice.errors import InvalidValueError
from modelservice.manage.untrusted_files import UnusableFileError, parse_json

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


def field_options(*, system: bool) -> Callable[[F], F]:
    """Returns a decorator that adds an option for each field of a model to a command.

    Args:
        system: Whether to add the fields that only system models have.
    """
    options = [
        click.option("--description", help="One or two sentences."),
        click.option("--context-window", type=int, help="In tokens."),
        click.option("--max-tokens", type=int, help="The list's max_tokens, in tokens."),
        click.option("--max-tokens-per-request", type=int, help="Output limit, in tokens."),
        click.option("--cost-per-1k-tokens", type=float, help="In US dollars."),
        click.option("--capability", "capabilities", multiple=True, help="Repeatable. Replaces all of them."),
        click.option("--compliance", multiple=True, help="Repeatable. Replaces all of them."),
        click.option("--encryption-supported/--no-encryption-supported", default=None),
        click.option("--pii-redaction-supported/--no-pii-redaction-supported", default=None),
        click.option("--supports-streaming/--no-supports-streaming", default=None),
        click.option("--supports-tools/--no-supports-tools", default=None),
        click.option("--metadata", help="A JSON object, or @FILE."),
        click.option("--system-prompt", help="The text, or @FILE."),
        click.option("--system-prompt-id", type=click.UUID, help="A UUID."),
    ]
    if system:
        options.append(click.option("--provider", help="Only for system models."))
        options.append(click.option("--credit-multiplier", type=int, help="Only for system models."))

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def given_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a model that a command's options set.

    Raises:
        InvalidValueError: A file cannot be read, or the metadata is not JSON.
    """
    fields = {name: value for name, value in options.items() if value is not None and value != ()}
    if "system_prompt" in fields:
        fields["system_prompt"] = _text("system_prompt", fields["system_prompt"])
    if "metadata" in fields:
        try:
            fields["metadata"] = parse_json(_text("metadata", fields["metadata"]))
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

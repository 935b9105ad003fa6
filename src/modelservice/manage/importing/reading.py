"""Reads values of an untrusted file. An unusable value is left out without its neighbours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

from modelservice.domain.fields import BY_NAME
from modelservice.domain.values import (
    EXACT_INTEGER_MAX,
    UINT32_MAX,
    check_flag,
    check_labels,
    check_line,
    check_number,
    check_text,
    shown,
)
from modelservice.errors import InvalidValueError
from modelservice.manage.catalogue_file import InvalidCatalogueError, parsed
from modelservice.manage.untrusted_files import Repeated, parse_json

# What is noted of an entry, or of one of its fields.
LEFT_OUT: Final = "left out"
GUESSED: Final = "guessed"
UNKNOWN: Final = "unknown"

AGAIN: Final = "appears again: the last one counts"

T = TypeVar("T")
Note = Callable[..., None]

_URL_MAX: Final = 2000
_SHOWN_MAX: Final = 40


def read_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object that a file holds. An object in it with a name twice is a `Repeated`.

    Raises:
        InvalidCatalogueError: It cannot be read, or holds something else.
    """
    content = parsed(path, parse_json)
    if not isinstance(content, dict):
        raise InvalidCatalogueError([f"{path}: must hold a JSON object"])
    return content


def members(content: dict[str, Any]) -> list[tuple[str, Any, bool]]:
    """Returns an object's names and values in the file's order, and whether a later one replaces them."""
    earlier = content.earlier if isinstance(content, Repeated) else []
    return [(name, value, True) for name, value in earlier] + [(*item, False) for item in content.items()]


def with_member(content: object, name: str, value: object) -> object:
    """Returns an object with one more member; anything else as it is."""
    if not isinstance(content, dict):
        return content
    added = {**content, name: value}
    return Repeated(added, content.earlier) if isinstance(content, Repeated) else added


class Reader:
    """Reads an object of a file, and notes what cannot be taken.

    A method returns None for what is absent or null; and for what cannot be taken, which it has noted.

    Args:
        content: The object.
        note: Takes what happened, the model's field, the reason, and the value where that says something.
        path: Where the object is in its entry, for people: `cost.`.
    """

    def __init__(self, content: Mapping[str, Any], note: Note, path: str = "") -> None:
        self.note = note
        self._content = content
        self._path = path
        self._read: set[str] = set()
        self._lost: set[str] = set()
        self._repeated = {name for name, _ in content.earlier} if isinstance(content, Repeated) else set()

    def states(self, key: str) -> bool:
        """Returns whether the name is present, even with an unusable value."""
        return self._content.get(key) is not None

    def has(self, key: str) -> bool:
        """Returns whether the name is present, was read, and has a usable value."""
        return self.states(key) and not self.lost(key)

    def lost(self, *keys: str) -> bool:
        """Returns whether one of these was read and was unusable."""
        return not self._lost.isdisjoint(keys)

    def pass_over(self, key: str) -> None:
        """Marks a name as read elsewhere."""
        self._read.add(key)

    def number(self, key: str, field: str) -> int | None:
        """Returns a whole number, which may be written as 1e6."""
        return self._taken(key, field, _whole, f"must be a whole number from 0 to {UINT32_MAX}")

    def price(self, key: str, field: str) -> float | None:
        """Returns a price."""
        return self._taken(key, field, _price, f"must be a finite number from 0 to {EXACT_INTEGER_MAX}")

    def flag(self, key: str, field: str) -> bool | None:
        """Returns a truth value."""
        return self._taken(key, field, _flag, "must be true or false")

    def name(self, key: str, field: str) -> str | None:
        """Returns a text, as a name for people."""
        return self._taken(key, field, _display_name, "must be a line of 1 to 1000 characters")

    def word(self, key: str, field: str) -> str | None:
        """Returns a word, as `image_generation`."""
        return self._taken(key, field, _word, "must be lower-case words joined by '-', '_' or '.'")

    def words(self, key: str, field: str) -> tuple[str, ...]:
        """Returns a list of words."""
        taken = self._taken(key, field, _words, "must be a list of different lower-case words")
        return () if taken is None else taken

    def url(self, key: str, field: str) -> str | None:
        """Returns an address on the web."""
        return self._taken(key, field, _url, f"must be an http or https address of at most {_URL_MAX} characters")

    def day(self, key: str, field: str) -> str | None:
        """Returns a date."""
        return self._taken(key, field, _day, "must be a date: YYYY-MM-DD")

    def part(self, key: str, field: str) -> Reader:
        """Returns a reader of an object in this one; of an empty one when there is none."""
        return Reader(self._taken(key, field, _part, "must be an object") or {}, self.note, f"{self._path}{key}.")

    def unread(self) -> set[str]:
        """Returns the names that were not read."""
        return self._content.keys() - self._read

    def _taken(self, key: str, field: str, own: Callable[[Any], T], rule: str) -> T | None:
        self._read.add(key)
        value = self._content.get(key)
        if key in self._repeated:
            self.note(GUESSED, field, f"{self._path}{key} {AGAIN}", _shown(value))
        if value is None:
            return None
        try:
            return own(value)
        except InvalidValueError:
            self._lost.add(key)
            self.note(LEFT_OUT, field, f"{self._path}{key} {rule}", _shown(value))
            return None


def _whole(value: Any) -> int:  # noqa: ANN401  (JSON)
    number: int = int(value) if isinstance(value, float) and value.is_integer() else value
    check_number("", number)
    return number


def _price(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > EXACT_INTEGER_MAX:
        raise InvalidValueError("no price")
    if not math.isfinite(value) or value < 0:
        raise InvalidValueError("no price")
    return float(value)


def _flag(value: object) -> bool:
    check_flag("", value)
    return bool(value)


def _display_name(value: object) -> str:
    BY_NAME["display_name"].check("", value)
    check_line("", value)
    return str(value)


def _word(value: object) -> str:
    check_labels("", (value,))
    return str(value)


def _words(value: Any) -> tuple[str, ...]:  # noqa: ANN401  (JSON)
    words: tuple[str, ...] = tuple(value) if isinstance(value, list) else value
    check_labels("", words)
    return words


def _url(value: object) -> str:
    check_text("", value, shortest=1, longest=_URL_MAX)
    check_line("", value)
    if not str(value).startswith(("http://", "https://")):
        raise InvalidValueError("no address")
    return str(value)


def _day(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise InvalidValueError("no date")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise InvalidValueError("no date") from None
    return value


def _part(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValueError("no object")
    return value


def _shown(value: object) -> str:
    # Not the whole of it: it may be as long as the file.
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() if len(value) > _SHOWN_MAX:
            return f"{value[:_SHOWN_MAX]!r}…"
        case _:
            return shown(value)

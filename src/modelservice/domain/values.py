"""Checks of single values. Each raises an InvalidValueError that names place, value and bound."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from modelservice.domain.text import is_printable
from modelservice.errors import InvalidValueError

UINT32_MAX: Final = 2**32 - 1
# JSON numbers are doubles on the wire: larger integers lose digits.
EXACT_INTEGER_MAX: Final = 2**53
# Each JSON level takes two or three protobuf levels, and protobuf decoders stop at 100.
METADATA_DEPTH_MAX: Final = 30

NAME_RULE: Final = (
    "1-256 letters, digits and . _ : @ / - (no slash at either end, no empty, '.' or '..' segment, not a UUID)"
)
ORGANIZATION_RULE: Final = "1-128 letters, digits and . _ -"
# OpenID Connect Core, 2, allows 255 ASCII characters. Only visible ones here: subjects appear in logs and tables.
SUBJECT_RULE: Final = "1-255 visible ASCII characters"
LABEL_RULE: Final = "lower-case words joined by '-', '_' or '.'"

_SHOWN_BELOW: Final = 10**40
_UUID_SHAPE: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_NAME_SHAPE: Final = re.compile(r"[A-Za-z0-9._:@/-]{1,256}")
_ORGANIZATION_SHAPE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SUBJECT_SHAPE: Final = re.compile(r"[!-~]{1,255}")
_LABEL_SHAPE: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in canonical form, in upper or lower case."""
    return _UUID_SHAPE.fullmatch(text) is not None


def is_model_name(text: str) -> bool:
    """Whether the text is a valid model name (`NAME_RULE`)."""
    if not _NAME_SHAPE.fullmatch(text) or is_uuid(text):
        return False
    # Clients and proxies may resolve such segments before the path arrives.
    return all(segment not in ("", ".", "..") for segment in text.split("/"))


def is_organization_id(text: str) -> bool:
    """Whether the text is a valid organization id (`ORGANIZATION_RULE`)."""
    return _ORGANIZATION_SHAPE.fullmatch(text) is not None


def is_subject(text: str) -> bool:
    """Whether the text is a valid token subject (`SUBJECT_RULE`)."""
    return _SUBJECT_SHAPE.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Whether the text is a valid label, such as a capability (`LABEL_RULE`)."""
    return _LABEL_SHAPE.fullmatch(text) is not None


class _Shown(reprlib.Repr):
    """Shortens any value for an error message."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel = 2

    def repr_int(self, number: int, _: int) -> str:
        # Python refuses to print very long integers.
        return str(number) if abs(number) < _SHOWN_BELOW else f"an integer of {number.bit_length()} bits"


shown: Final = _Shown().repr


def canonical_json(value: object) -> str:
    """Returns the canonical text of a JSON value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def check_model_name(_: str, name: object) -> None:
    """Checks the name of a model."""
    if not isinstance(name, str) or not is_model_name(name):
        raise InvalidValueError(f"model name {shown(name)}: must be {NAME_RULE}")


def check_uuid(what: str, value: object) -> None:
    """Checks a UUID."""
    if not isinstance(value, UUID):
        raise InvalidValueError(f"{what} is {shown(value)}: must be a UUID")


def check_text(what: str, text: object, *, shortest: int, longest: int) -> None:
    """Checks a string; lengths are in characters."""
    if not isinstance(text, str):
        raise InvalidValueError(f"{what} is {shown(text)}: must be a string")
    if not shortest <= len(text) <= longest:
        raise InvalidValueError(f"{what} has {len(text)} characters: must have {shortest} to {longest}")
    _check_unicode(what, text)
    if "\0" in text:
        # Postgres cannot store it.
        raise InvalidValueError(f"{what}: must not contain NUL")


def check_line(what: str, text: object) -> None:
    """Checks that a new name has no control characters. Stored ones may have some."""
    if isinstance(text, str) and not is_printable(text):
        raise InvalidValueError(f"{what} is {shown(text)}: must have no control characters")


def check_number(what: str, number: object, *, least: int = 0, most: int = UINT32_MAX) -> None:
    """Checks an integer."""
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise InvalidValueError(f"{what} is {shown(number)}: must be a whole number from {least} to {most}")


def check_price(what: str, price: object) -> None:
    """Checks a price."""
    number = isinstance(price, int | float) and not isinstance(price, bool)
    if not (number and math.isfinite(price) and price >= 0):  # type: ignore[arg-type, operator]
        raise InvalidValueError(f"{what} is {shown(price)}: must be a finite number, 0 or more")


def check_flag(what: str, flag: object) -> None:
    """Checks a boolean."""
    if not isinstance(flag, bool):
        raise InvalidValueError(f"{what} is {shown(flag)}: must be true or false")


def check_labels(what: str, labels: object) -> None:
    """Checks a list of labels, such as capabilities."""
    if not isinstance(labels, tuple):
        raise InvalidValueError(f"{what} is {shown(labels)}: must be a list")
    for label in labels:
        if not isinstance(label, str) or not is_label(label):
            raise InvalidValueError(f"{what}: {shown(label)}: must be {LABEL_RULE}")
    if len(set(labels)) != len(labels):
        raise InvalidValueError(f"{what}: a label appears twice")


def check_metadata(what: str, metadata: object) -> None:
    """Checks that a value is a JSON object that REST and gRPC can carry."""
    if not isinstance(metadata, Mapping):
        raise InvalidValueError(f"{what}: must be a JSON object")
    _check_json(what, metadata, depth=1)


def _check_json(what: str, value: object, depth: int) -> None:  # noqa: C901, PLR0912  (one case per type)
    if depth > METADATA_DEPTH_MAX:
        raise InvalidValueError(f"{what}: is nested deeper than {METADATA_DEPTH_MAX} levels")
    match value:
        case None | bool():
            pass
        case str():
            _check_unicode(what, value)
        case int():
            if abs(value) > EXACT_INTEGER_MAX:
                raise InvalidValueError(f"{what}: the integer {shown(value)} is beyond 2^53")
        case float():
            if not math.isfinite(value):
                raise InvalidValueError(f"{what}: {value} is not a JSON number")
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidValueError(f"{what}: the key {shown(key)} is not a string")
                _check_unicode(what, key)
                _check_json(what, item, depth + 1)
        case list() | tuple():
            for item in value:
                _check_json(what, item, depth + 1)
        case _:
            raise InvalidValueError(f"{what}: {shown(value)} is not a JSON value")


def _check_unicode(what: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(f"{what}: is not valid Unicode") from None

"""The things that the service is about: models, organizations, API keys, callers.

All of them are frozen, and cannot be made with a value outside its bounds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from modelservice.errors import InvalidValueError

UINT32_MAX: Final = 2**32 - 1
# JSON numbers are doubles on the wire; beyond this, integers lose digits.
EXACT_INTEGER_MAX: Final = 2**53
# Each level of JSON takes two or three of protobuf, whose decoders stop at 100.
METADATA_DEPTH_MAX: Final = 30

MODELS_READ: Final = "models:read"
SCOPES: Final = (MODELS_READ,)

_UUID_SHAPE = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_NAME_SHAPE = re.compile(r"[A-Za-z0-9._:@/-]{1,256}")
_ORGANIZATION_SHAPE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LABEL_SHAPE = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")

_FLAGS: Final = (
    "enabled",
    "encryption_supported",
    "pii_redaction_supported",
    "supports_streaming",
    "supports_tools",
)

NAME_RULE: Final = (
    "1-256 letters, digits and . _ : @ / - (no slash at an end, no empty, '.' or '..' segment, not the form of a UUID)"
)
ORGANIZATION_RULE: Final = "1-128 letters, digits and . _ -"


def is_uuid(text: str) -> bool:
    """Says whether the text has the canonical form of a UUID, in upper or lower case."""
    return _UUID_SHAPE.fullmatch(text) is not None


def is_model_name(text: str) -> bool:
    """Says whether the text may be the name of a model (`NAME_RULE`)."""
    if not _NAME_SHAPE.fullmatch(text) or is_uuid(text):
        return False
    # A client or a proxy may resolve such segments before the path arrives.
    return all(segment not in ("", ".", "..") for segment in text.split("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of the platform, which every caller may see.

    Attributes:
        id: Its UUID, the `id` of the get document.
        name: Its slug, the `id` of the list document (`NAME_RULE`).
        display_name: Its name for people.
        provider: Who makes it: `owned_by` in the list.
        created: When it was created, in Unix seconds.
        updated: When it was last changed, in Unix seconds.
        position: Its place in the catalogue: models are listed by it. Taken at the first import.
        permission_id: The id of its permission entry in the list, or None for one derived from the UUID.
        description: Describes it, or None.
        enabled: Whether it is listed.
        context_window: In tokens; 0 means unknown or not applicable.
        max_tokens: The list document's `max_tokens`, in tokens, or None when unknown. Not the output limit.
        max_tokens_per_request: The output limit, in tokens, or None when unknown.
        cost_per_1k_tokens: In US dollars, or None when unknown.
        credit_multiplier: For billing, or None when unknown.
        capabilities: In the order in which they are shown.
        compliance: In the order in which it is shown.
        encryption_supported: Whether requests can be encrypted end to end.
        pii_redaction_supported: Whether personal data can be redacted.
        supports_streaming: Whether answers can be streamed.
        supports_tools: Whether it can call tools.
        metadata: Any JSON object.
        system_prompt: The whole system prompt, or None.
        system_prompt_id: The UUID of a prompt composition, or None.

    Raises:
        InvalidValueError: A value is outside its bounds.
    """

    id: UUID
    name: str
    display_name: str
    provider: str
    created: int
    updated: int
    position: int
    permission_id: str | None = None
    description: str | None = None
    enabled: bool = True
    context_window: int = 0
    max_tokens: int | None = None
    max_tokens_per_request: int | None = None
    cost_per_1k_tokens: float | None = None
    credit_multiplier: int | None = None
    capabilities: tuple[str, ...] = ()
    compliance: tuple[str, ...] = ()
    encryption_supported: bool = False
    pii_redaction_supported: bool = False
    supports_streaming: bool = False
    supports_tools: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: str | None = None
    system_prompt_id: UUID | None = None

    def __post_init__(self) -> None:
        self._check_texts()
        self._check_numbers()
        for flag_name in _FLAGS:
            flag = getattr(self, flag_name)
            if not isinstance(flag, bool):
                raise InvalidValueError(f"model {self.name}: {flag_name} is {flag!r}: must be true or false")
        for labels_name in ("capabilities", "compliance"):
            _check_labels(self.name, labels_name, getattr(self, labels_name))
        check_metadata(self.name, self.metadata)

    def _check_texts(self) -> None:
        if not is_model_name(self.name):
            raise InvalidValueError(f"model name {self.name!r}: must be {NAME_RULE}")
        _check_text(f"model {self.name}: display_name", self.display_name, shortest=1, longest=1000)
        _check_text(f"model {self.name}: provider", self.provider, shortest=1, longest=256)
        for text_name in ("permission_id", "description", "system_prompt"):
            text = getattr(self, text_name)
            if text is not None:
                _check_text(f"model {self.name}: {text_name}", text, shortest=0, longest=1_000_000)

    def _check_numbers(self) -> None:
        for number_name in ("created", "updated", "context_window"):
            _check_uint32(self.name, number_name, getattr(self, number_name))
        for number_name in ("max_tokens", "max_tokens_per_request", "credit_multiplier"):
            number = getattr(self, number_name)
            if number is not None:
                _check_uint32(self.name, number_name, number)
        cost: object = self.cost_per_1k_tokens
        if cost is not None and not _is_price(cost):
            raise InvalidValueError(
                f"model {self.name}: cost_per_1k_tokens is {cost!r}: must be a finite number from 0"
            )


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant.

    Attributes:
        id: Its id at the identity provider, verbatim (`ORGANIZATION_RULE`).
        created: When it was created here, in Unix seconds.

    Raises:
        InvalidValueError: The id breaks its rule.
    """

    id: str
    created: int

    def __post_init__(self) -> None:
        if not _ORGANIZATION_SHAPE.fullmatch(self.id):
            raise InvalidValueError(f"organization id {self.id!r}: must be {ORGANIZATION_RULE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is kept of an API key: never the key itself.

    Attributes:
        id: The public part, which the key carries.
        digest: SHA-256 of the whole key, 32 bytes.
        organization_id: The organization whose callers use it.
        name: What people call it; may be empty.
        scopes: What it may do; none by default.
        created: In Unix seconds.
        expires: In Unix seconds, or None for never.
        revoked: In Unix seconds, or None.

    Raises:
        InvalidValueError: A value is outside its bounds.
    """

    id: str
    digest: bytes = field(repr=False)
    organization_id: str
    name: str
    scopes: frozenset[str]
    created: int
    expires: int | None = None
    revoked: int | None = None

    def __post_init__(self) -> None:
        _check_text("key name", self.name, shortest=0, longest=200)
        for scope in sorted(self.scopes):
            if scope not in SCOPES:
                raise InvalidValueError(f"key scope {scope!r}: must be one of {', '.join(SCOPES)}")
        if self.expires is not None and self.expires <= self.created:
            raise InvalidValueError("key expiry: must lie in the future")

    def usable(self, now: float) -> bool:
        """Says whether the key is neither revoked nor expired at `now`, in Unix seconds."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        organization_id: The organization for which it acts.
        key_id: The API key that it presented.
        scopes: What it may do.
    """

    organization_id: str
    key_id: str
    scopes: frozenset[str]


def check_metadata(name: str, metadata: object) -> None:
    """Checks that the metadata of the model `name` is a JSON object that every part of the service can carry.

    Raises:
        InvalidValueError: It is not an object, is deeper than `METADATA_DEPTH_MAX`, or holds a number or a text that
            JSON or protobuf cannot carry.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidValueError(f"model {name}: metadata: must be a JSON object")
    _check_json(name, metadata, depth=1)


def canonical_json(value: object) -> str:
    """Returns the one text that stands for a JSON value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check_json(name: str, value: object, depth: int) -> None:  # noqa: C901, PLR0912  (a case for each kind of value)
    if depth > METADATA_DEPTH_MAX:
        raise InvalidValueError(f"model {name}: metadata: deeper than {METADATA_DEPTH_MAX} levels")
    match value:
        case None | bool():
            pass
        case str():
            _check_unicode(f"model {name}: metadata", value)
        case int():
            if abs(value) > EXACT_INTEGER_MAX:
                raise InvalidValueError(f"model {name}: metadata: the integer {value} is beyond 2^53")
        case float():
            if not math.isfinite(value):
                raise InvalidValueError(f"model {name}: metadata: {value} is no JSON number")
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidValueError(f"model {name}: metadata: the key {key!r} is not a text")
                _check_unicode(f"model {name}: metadata", key)
                _check_json(name, item, depth + 1)
        case list() | tuple():
            for item in value:
                _check_json(name, item, depth + 1)
        case _:
            raise InvalidValueError(f"model {name}: metadata: {value!r} is no JSON value")


def _check_text(what: str, text: object, *, shortest: int, longest: int) -> None:
    if not isinstance(text, str):
        raise InvalidValueError(f"{what} is {text!r}: must be a text")
    if not shortest <= len(text) <= longest:
        raise InvalidValueError(f"{what} has {len(text)} characters: must have {shortest} to {longest}")
    _check_unicode(what, text)
    if "\0" in text:
        # Postgres keeps no NUL in a text.
        raise InvalidValueError(f"{what}: must not hold the character NUL")


def _check_unicode(what: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(f"{what}: is not valid Unicode") from None


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _check_uint32(name: str, field_name: str, number: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= UINT32_MAX:
        raise InvalidValueError(
            f"model {name}: {field_name} is {number!r}: must be a whole number from 0 to {UINT32_MAX}"
        )


def _check_labels(name: str, field_name: str, labels: tuple[object, ...]) -> None:
    for label in labels:
        if not isinstance(label, str) or not _LABEL_SHAPE.fullmatch(label):
            raise InvalidValueError(
                f"model {name}: {field_name}: {label!r} must be lower-case words joined by '-', '_' or '.'"
            )
    if len(set(labels)) != len(labels):
        raise InvalidValueError(f"model {name}: {field_name}: holds the same word twice")

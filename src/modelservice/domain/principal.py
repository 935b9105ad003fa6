"""Organizations, their API keys, and callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from modelservice.domain.values import ORGANIZATION_RULE, SUBJECT_RULE, check_text, is_organization_id, is_subject
from modelservice.errors import InvalidValueError

# Allows reading the system models and those of the caller's organization.
MODELS_READ: Final = "models:read"
# Allows reading what any organization sees, by naming it. For keys without an organization: a gateway's, for example.
MODELS_READ_ANY: Final = "models:read_any"
SCOPES: Final = (MODELS_READ, MODELS_READ_ANY)
_DIGEST_BYTES: Final = 32  # SHA-256


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant. Its id is that of the identity provider, verbatim; `created` is in Unix seconds.

    Raises:
        InvalidValueError: The id breaks `ORGANIZATION_RULE`.
    """

    id: str
    created: int

    def __post_init__(self) -> None:
        if not is_organization_id(self.id):
            raise InvalidValueError(f"organization id {self.id!r}: must be {ORGANIZATION_RULE}", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The stored part of an API key, without its secret.

    Attributes:
        id: The public part of the key.
        digest: SHA-256 of the whole key.
        organization_id: The organization whose callers use the key; None for a key that may read for any.
        name: A label, possibly empty.
        created: In Unix seconds.
        expires: In Unix seconds; None for never.
        revoked: In Unix seconds, or None.

    Raises:
        InvalidValueError: A value is outside its bounds.
    """

    id: str
    digest: bytes = field(repr=False)
    organization_id: str | None
    name: str
    scopes: frozenset[str]
    created: int
    expires: int | None = None
    revoked: int | None = None

    def __post_init__(self) -> None:
        # Without a table of checks, because a server may load a million keys. A row may contain anything.
        for name, value in (("created", self.created), ("expires", self.expires), ("revoked", self.revoked)):
            if not isinstance(value, int) and (value is not None or name == "created"):
                raise InvalidValueError(f"key {name}: must be a time in Unix seconds", name)
        if not isinstance(self.digest, bytes) or len(self.digest) != _DIGEST_BYTES:
            raise InvalidValueError(f"key digest: must have {_DIGEST_BYTES} bytes", "digest")
        if not isinstance(self.organization_id, str | None):
            raise InvalidValueError("key organization: must be a string", "organization_id")
        try:
            check_text("key name", self.name, shortest=0, longest=200)
        except InvalidValueError as error:
            raise InvalidValueError(str(error), "name") from None
        for scope in sorted(self.scopes):
            if scope not in SCOPES:
                raise InvalidValueError(f"key scope {scope!r}: must be one of {', '.join(SCOPES)}", "scopes")
        if (self.organization_id is None) != (MODELS_READ_ANY in self.scopes):
            raise InvalidValueError(
                f"key organization: must be set, unless the key has the scope {MODELS_READ_ANY}, and unset if it has",
                "organization_id",
            )
        if self.expires is not None and self.expires <= self.created:
            raise InvalidValueError("key expiry: must lie in the future", "expires")

    def usable(self, now: float) -> bool:
        """Whether the key is neither revoked nor expired at `now`, in Unix seconds."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class Client:
    """A machine that authenticates with tokens, and its organization, which the tokens do not name.

    Its id is the subject of the tokens, verbatim; `created` is in Unix seconds.

    Raises:
        InvalidValueError: The id breaks `SUBJECT_RULE`.
    """

    id: str
    organization_id: str
    created: int

    def __post_init__(self) -> None:
        if not is_subject(self.id):
            raise InvalidValueError(f"client id {self.id!r}: must be {SUBJECT_RULE}", "id")
        if not isinstance(self.organization_id, str):
            raise InvalidValueError("client organization: must be a string", "organization_id")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, with an API key (`key_id`) or a token (`subject`)."""

    organization_id: str | None
    scopes: frozenset[str]
    key_id: str | None = None
    subject: str | None = None

"""System models, and models of organizations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

from modelservice.domain.field_kind import Check
from modelservice.domain.fields import BY_NAME, FIELDS, OWN
from modelservice.domain.values import check_number, check_text
from modelservice.errors import InvalidValueError

# The range of BIGINT.
_POSITION_MAX: Final = 2**63 - 1

_SYSTEM_CHECKS: Final[Mapping[str, Check]] = {one.name: one.check for one in FIELDS}
_ORGANIZATION_CHECKS: Final[Mapping[str, Check]] = {name: BY_NAME[name].own_check for name in OWN}
# An organization's model never has a provider, even after inheriting everything else.
_INHERITED_CHECKS: Final = {name: check for name, check in _SYSTEM_CHECKS.items() if name != "provider"}
# Fields that the service sets, checked because a row may contain anything.
_PLACE_CHECKS: Final[Mapping[str, Check]] = {
    "updated": check_number,
    "position": partial(check_number, least=0, most=_POSITION_MAX),
}
_OWN_CHECKS: Final[Mapping[str, Check]] = {
    "organization_id": partial(check_text, shortest=1, longest=128),
    "created": check_number,
    **_PLACE_CHECKS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as callers see it: a system model, or an organization's model with everything it inherits.

    Attributes:
        id: The `id` of the get document.
        name: The `id` of the list document (`NAME_RULE`).
        provider: `owned_by` in the list. None for an organization's model.
        created: In Unix seconds.
        updated: In Unix seconds.
        position: Order in lists, assigned when the model is first stored.
        organization_id: The owner; None for a system model.
        parent_id: The parent's UUID; None for a system model.
        permission_id: The id of the permission entry in the list; None for one derived from the UUID.
        enabled: Whether the model is listed.
        context_window: In tokens; 0 means unknown or not applicable.
        max_tokens: The list document's `max_tokens`, in tokens; None if unknown. Not the output limit.
        max_tokens_per_request: The output limit, in tokens; None if unknown.
        cost_per_1k_tokens: In US dollars; None if unknown.
        credit_multiplier: For billing; None if unknown, and for an organization's model.
        capabilities: In display order.
        compliance: In display order.
        encryption_supported: Whether requests can be encrypted end to end.
        pii_redaction_supported: Whether personal data can be redacted.
        metadata: Any JSON object.
        system_prompt_id: The UUID of a prompt composition.

    Raises:
        InvalidValueError: A value is outside its bounds.
    """

    id: UUID
    name: str
    display_name: str
    provider: str | None
    created: int
    updated: int
    position: int
    organization_id: str | None = None
    parent_id: UUID | None = None
    parent_name: str | None = None
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
        _check_fields(self, _SYSTEM_CHECKS if self.organization_id is None else _INHERITED_CHECKS)
        _check_fields(self, _PLACE_CHECKS)

    @property
    def permission(self) -> str:
        """The id of the permission entry in the list: the given one, or one derived from the UUID."""
        return self.permission_id or f"modelperm-{self.id.hex}"

    @property
    def supports_reasoning(self) -> bool:
        """Whether the capabilities include `reasoning`."""
        return "reasoning" in self.capabilities

    @property
    def supports_vision(self) -> bool:
        """Whether the capabilities include `multimodal`."""
        return "multimodal" in self.capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationModel:
    """A model as its organization defines it. Fields that are None are inherited (`domain.inheritance`).

    Units are those of `Model`, bounds those of `domain.fields`.

    Attributes:
        name: Unique in the organization, and not the name of a system model.
        position: Order among organizations' models.
        enabled: Whether the model is listed, provided that its parent is enabled.

    Raises:
        InvalidValueError: A value is outside its bounds.
    """

    id: UUID
    organization_id: str
    parent_id: UUID
    name: str
    display_name: str
    created: int
    updated: int
    position: int
    enabled: bool = True
    description: str | None = None
    context_window: int | None = None
    max_tokens: int | None = None
    max_tokens_per_request: int | None = None
    cost_per_1k_tokens: float | None = None
    capabilities: tuple[str, ...] | None = None
    compliance: tuple[str, ...] | None = None
    encryption_supported: bool | None = None
    pii_redaction_supported: bool | None = None
    supports_streaming: bool | None = None
    supports_tools: bool | None = None
    metadata: Mapping[str, Any] | None = None
    system_prompt: str | None = None
    system_prompt_id: UUID | None = None

    def __post_init__(self) -> None:
        _check_fields(self, _ORGANIZATION_CHECKS)
        _check_fields(self, _OWN_CHECKS)


def _check_fields(model: Model | OrganizationModel, checks: Mapping[str, Check]) -> None:
    for name, check in checks.items():
        try:
            check(f"model {model.name}: {name}", getattr(model, name))
        except InvalidValueError as error:
            raise InvalidValueError(str(error), name) from None

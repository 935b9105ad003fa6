"""Decides what a caller may do and see. Every read of the catalogue asks here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modelservice.domain.model import Model, OrganizationModel
from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY, Principal
from modelservice.domain.values import ORGANIZATION_RULE, is_organization_id
from modelservice.errors import ACCESS_DENIED, INVALID_REQUEST, Refusal


@dataclass(frozen=True, slots=True)
class Viewer:
    """Decides which models a caller sees. Equal viewers see the same.

    An owner is an organization's id, or None for the platform, which owns the system models.

    Attributes:
        organization_id: The organization for which the caller reads, or None.
    """

    organization_id: str | None

    @property
    def owners(self) -> tuple[str | None, ...]:
        """The owners whose models the caller may see, in the order of lists and of look-ups by name."""
        return (None,) if self.organization_id is None else (None, self.organization_id)

    def sees_all(self, owner: str | None) -> bool:
        """Returns whether the caller sees every model of an owner, so that no single model needs a check."""
        return owner in self.owners

    def may_see(self, model: Model | OrganizationModel, parent: Model | None = None) -> bool:
        """Returns whether the caller sees a model, and its parent if it has one."""
        return self.sees_all(model.organization_id) and (parent is None or self.may_see(parent))


def viewer(principal: Principal, named: Sequence[object]) -> Viewer:
    """Returns the viewer of a caller.

    Args:
        principal: The caller.
        named: Every value of the metadata `x-modelservice-organization`.

    Raises:
        Refusal: `ACCESS_DENIED`: the credential lacks the scope; `INVALID_REQUEST`: the metadata names no possible
            organization.
    """
    if MODELS_READ_ANY in principal.scopes:
        if not named:
            return Viewer(None)
        if len(named) > 1 or not is_organization_id(str(named[0])):
            raise Refusal(
                INVALID_REQUEST,
                f"x-modelservice-organization: must appear exactly once and contain {ORGANIZATION_RULE}",
            )
        return Viewer(str(named[0]))
    if MODELS_READ not in principal.scopes or named:
        raise Refusal(ACCESS_DENIED)
    return Viewer(principal.organization_id)

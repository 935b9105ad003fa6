"""What a caller may do and see: the one place that decides, on the decoded request."""

from __future__ import annotations

from collections.abc import Sequence

from modelservice.domain.principal import MODELS_READ, MODELS_READ_ANY, Principal
from modelservice.domain.values import ORGANIZATION_RULE, is_organization_id
from modelservice.errors import ACCESS_DENIED, INVALID_REQUEST, Refusal


def viewer(principal: Principal, named: Sequence[object]) -> str | None:
    """Returns for which organization a caller may read: None for none, who sees the system models alone.

    Args:
        principal: The caller.
        named: Every value of the call's metadata `x-modelservice-organization`.

    Raises:
        Refusal: `ACCESS_DENIED`, the credential lacks the scope for it; `INVALID_REQUEST`, what is named can be no
            organization.
    """
    if MODELS_READ_ANY in principal.scopes:
        if not named:
            return None
        if len(named) > 1 or not is_organization_id(str(named[0])):
            raise Refusal(INVALID_REQUEST, f"x-modelservice-organization: must be once {ORGANIZATION_RULE}")
        return str(named[0])
    if MODELS_READ not in principal.scopes or named:
        raise Refusal(ACCESS_DENIED)
    return principal.organization_id


def may_see(viewing_for: str | None, owner: str | None) -> bool:
    """Says whether whoever reads for an organization may see a model.

    Args:
        viewing_for: The organization (`viewer`), or None for none.
        owner: The organization that owns the model, or None for a system model.
    """
    return owner is None or owner == viewing_for

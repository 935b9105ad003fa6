"""What a caller may do and see: the one place that decides, on the decoded request."""

from __future__ import annotations

from modelservice.domain import MODELS_READ, Principal
from modelservice.errors import ACCESS_DENIED, Refusal


def require_models_read(principal: Principal) -> None:
    """Lets a caller pass who may read models. System models are then open to all of them.

    Raises:
        Refusal: `ACCESS_DENIED`: the credential lacks the scope.
    """
    if MODELS_READ not in principal.scopes:
        raise Refusal(ACCESS_DENIED)

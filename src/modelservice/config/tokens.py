"""Which JWTs are accepted: made of several settings, which must fit together."""

from __future__ import annotations

from typing import Any, Final

from modelservice.config.setting import PREFIX
from modelservice.config.settings import Tokens
from modelservice.errors import InvalidSettingError

# Where Stytch B2B's session JWTs name the organization.
_STYTCH_ORGANIZATION: Final = ("https://stytch.com/organization", "organization_id")
_NEEDED: Final = ("jwt_issuers", "jwt_audience", "jwt_jwks")
# Without an issuer they would mean nothing, and whoever set them believes that they do.
_DEPENDENT: Final = ("jwt_organization_claim", "jwt_required_role")


def take_tokens(values: dict[str, Any]) -> Tokens | None:
    """Takes the settings of tokens out of the values of all.

    Args:
        values: The value of every setting, by its field.

    Returns:
        What is accepted; None when no issuer is configured.

    Raises:
        InvalidSettingError: One is set without another that it needs. Half a check is none: without an audience, tokens
            that were made for another service would be let in.
    """
    project, domain = values.pop("stytch_project_id"), values.pop("stytch_domain")
    algorithms, leeway = values.pop("jwt_algorithms"), values.pop("jwt_leeway")
    given = {name: values.pop(name) for name in (*_NEEDED, *_DEPENDENT)}
    if domain and not project:
        raise InvalidSettingError(f"{_name('stytch_project_id')}: must be set, because {_name('stytch_domain')} is")
    if project:
        given = _of_stytch(project, domain) | {name: value for name, value in given.items() if value}
    elif not any(given.values()):
        return None
    for name in _NEEDED:
        if not given[name]:
            other = next(name for name, value in given.items() if value)
            raise InvalidSettingError(f"{_name(name)}: must be set, because {_name(other)} is")
    return Tokens(
        issuers=given["jwt_issuers"],
        audience=given["jwt_audience"],
        key_set=given["jwt_jwks"],
        organization_claim=given["jwt_organization_claim"],
        algorithms=algorithms,
        leeway=leeway,
        required_role=given["jwt_required_role"] or None,
    )


def _of_stytch(project: str, domain: str) -> dict[str, Any]:
    # A project with a domain of its own issues tokens under both names; Stytch's own libraries accept both.
    issuer = f"stytch.com/{project}"
    shared = "api.stytch.com" if project.startswith("project-live-") else "test.stytch.com"
    return {
        "jwt_issuers": (issuer, f"https://{domain}") if domain else (issuer,),
        "jwt_audience": project,
        "jwt_jwks": f"https://{domain or shared}/v1/b2b/sessions/jwks/{project}",
        "jwt_organization_claim": _STYTCH_ORGANIZATION,
        "jwt_required_role": "",
    }


def _name(field: str) -> str:
    return PREFIX + field.upper()

"""The settings of tokens: which JWTs are accepted. They must fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from modelservice.config.parsers import (
    JWT_ALGORITHMS,
    claim,
    host,
    key_set_source,
    number_between,
    one_word,
    some_of,
    stytch_project_id,
    words,
)
from modelservice.config.setting import PREFIX, Setting
from modelservice.errors import InvalidSettingError

# Where Stytch B2B's session JWTs name the organization.
_STYTCH_ORGANIZATION: Final = ("https://stytch.com/organization", "organization_id")
_NEEDED: Final = ("jwt_issuers", "jwt_audience", "jwt_jwks")
# Without an issuer they would mean nothing, and whoever set them believes that they do.
_DEPENDENT: Final = ("jwt_organization_claim", "jwt_required_role")

TOKEN_SETTINGS: Final = (
    Setting(
        "stytch_project_id",
        "",
        "the project id from Stytch's dashboard: project-test-… or project-live-…",
        "Stytch B2B project whose JWTs are accepted. It sets issuer, audience, key set and organization claim. Each "
        "`MODELSERVICE_JWT_…` setting overrides its part.",
        stytch_project_id,
    ),
    Setting(
        "stytch_domain",
        "",
        "a host name, such as login.example.com",
        "Custom domain of the Stytch project. It is a second issuer and the host of the key set.",
        host,
    ),
    Setting(
        "jwt_issuers",
        "",
        "a space-separated list",
        "Accepted values of the claim `iss`. All of them must be names of one authority, with the same subjects and "
        "keys.",
        words,
    ),
    Setting(
        "jwt_audience",
        "",
        "text without spaces",
        "Audience that a token must name in its claim `aud`.",
        one_word,
    ),
    Setting(
        "jwt_jwks",
        "",
        "an https URL without credentials (http only for localhost), or a file path",
        "JSON Web Key Set of the issuer.",
        key_set_source,
    ),
    Setting(
        "jwt_organization_claim",
        "",
        "a claim, or two names separated by a space for a nested claim",
        "Claim that names a member's organization. A token without it belongs to a machine.",
        claim,
    ),
    Setting(
        "jwt_algorithms",
        "RS256",
        f"a space-separated list of {' '.join(JWT_ALGORITHMS)}",
        "Accepted signature algorithms.",
        some_of(*JWT_ALGORITHMS),
    ),
    Setting(
        "jwt_leeway",
        "30",
        "0 to 300",
        "Tolerated clock difference between the issuer and this server.",
        number_between(0, 300),
        unit="seconds",
    ),
    Setting(
        "jwt_required_role",
        "",
        "text without spaces",
        "Role that members must have, in the claim `roles` or in `roles` within `https://stytch.com/session`. Empty "
        "requires none.",
        one_word,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Which JWTs are accepted.

    Attributes:
        issuers: The claim `iss` is one of them.
        audience: The claim `aud` is it, or has it.
        key_set: Where the issuer's keys are: a URL, or a path.
        organization_claim: The path of names to a member's organization; none where all tokens are machines'.
        algorithms: How tokens may be signed.
        leeway: How far the issuer's clock may be from this one's, in seconds.
        required_role: What members need, or None.
    """

    issuers: tuple[str, ...]
    audience: str
    key_set: str
    organization_claim: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    required_role: str | None


def take_tokens(values: dict[str, Any]) -> Tokens | None:
    """Takes the settings of tokens out of the values of all.

    Args:
        values: The value of every setting, by its field.

    Returns:
        What is accepted; None when no issuer is configured.

    Raises:
        InvalidSettingError: One is set without another that it needs. Without an audience, for instance, tokens
            for another service would be accepted.
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

"""The settings of tokens: which JWTs are accepted. They must fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from modelservice.config.kinds import (
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
        "project-test-… or project-live-…, as Stytch's dashboard shows it",
        "The Stytch B2B project whose JWTs are accepted. It sets the issuer, the audience, the key set and the "
        "organization claim; a setting `MODELSERVICE_JWT_…` goes before.",
        stytch_project_id,
    ),
    Setting(
        "stytch_domain",
        "",
        "a host name, as login.example.com",
        "The project's custom domain: an issuer as well, and where the key set is.",
        host,
    ),
    Setting(
        "jwt_issuers",
        "",
        "one or more texts, with spaces between them",
        "Whose JWTs are accepted: the claim `iss`. Several are several names of one authority, whose subjects and keys "
        "are the same.",
        words,
    ),
    Setting(
        "jwt_audience",
        "",
        "a text without spaces",
        "For whom the tokens must be made: the claim `aud`, or one of its texts.",
        one_word,
    ),
    Setting(
        "jwt_jwks",
        "",
        "an https URL without user information (http on this machine alone), or the path of a file",
        "The issuer's keys: a JSON Web Key Set.",
        key_set_source,
    ),
    Setting(
        "jwt_organization_claim",
        "",
        "the name of a claim; for one within another, both names with a space between them",
        "Where a member's token names the organization. A token without this claim is a machine's.",
        claim,
    ),
    Setting(
        "jwt_algorithms",
        "RS256",
        f"one or more of {' '.join(JWT_ALGORITHMS)}, with spaces between them",
        "How tokens may be signed.",
        some_of(*JWT_ALGORITHMS),
    ),
    Setting(
        "jwt_leeway",
        "30",
        "0 to 300",
        "How far the issuer's clock may be from this one's.",
        number_between(0, 300),
        unit="seconds",
    ),
    Setting(
        "jwt_required_role",
        "",
        "a text without spaces",
        "The role that members need, among `roles` in the claim `https://stytch.com/session` or in the claim `roles`; "
        "empty: none.",
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

"""The settings that decide which JWTs are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from modelservice.config import parsers
from modelservice.config.declaration import Group, Setting, missing

# The claim of Stytch B2B's session JWTs that names the organization.
_STYTCH_ORGANIZATION: Final = ("https://stytch.com/organization", "organization_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Which JWTs are accepted.

    Attributes:
        issuers: Accepted values of the claim `iss`.
        audience: Value that the claim `aud` must contain.
        key_set: URL or path of the issuer's keys.
        organization_claim: Path of the claim with a member's organization. Empty if all tokens belong to machines.
        algorithms: Accepted signature algorithms.
        leeway: Tolerated clock difference, in seconds.
        required_role: Role that members must have, or None.
    """

    issuers: tuple[str, ...]
    audience: str
    key_set: str
    organization_claim: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    required_role: str | None


class TokenSettings(Group):
    """The settings of tokens."""

    stytch_project_id = Setting(
        parsers.stytch_project,
        "Stytch B2B project whose JWTs are accepted. It sets issuer, audience, key set and organization claim. Each "
        "`MODELSERVICE_JWT_…` setting overrides its part.",
    )
    stytch_domain = Setting(
        parsers.host_name, "Custom domain of the Stytch project. It is a second issuer and the host of the key set."
    )
    jwt_issuers = Setting(
        parsers.words,
        "Accepted values of the claim `iss`. All of them must be names of one authority, with the same subjects and "
        "keys.",
    )
    jwt_audience = Setting(parsers.one_word, "Audience that a token must name in its claim `aud`.")
    jwt_jwks = Setting(parsers.key_set_source, "JSON Web Key Set of the issuer.")
    jwt_organization_claim = Setting(
        parsers.claim, "Claim that names a member's organization. A token without it belongs to a machine."
    )
    jwt_algorithms = Setting(
        parsers.some_of(*parsers.JWT_ALGORITHMS), "Accepted signature algorithms.", default="RS256"
    )
    jwt_leeway = Setting(
        parsers.between(float, 0, 300),
        "Tolerated clock difference between the issuer and this server.",
        default="30",
        unit="seconds",
    )
    jwt_required_role = Setting(
        parsers.one_word,
        "Role that members must have, in the claim `roles` or in `roles` within `https://stytch.com/session`. Empty "
        "requires none.",
    )

    def accepted_tokens(self) -> Tokens | None:
        """Returns which tokens are accepted; None if no issuer is configured.

        Raises:
            InvalidSettingError: A setting lacks another one that it needs. Without an audience, for example, tokens for
                another service would be accepted.
        """
        issuers, audience, key_set = self.jwt_issuers, self.jwt_audience, self.jwt_jwks
        organization_claim = self.jwt_organization_claim
        project, domain = self.stytch_project_id, self.stytch_domain
        if domain and not project:
            raise missing("stytch_project_id", because="stytch_domain")
        if project:
            # A project with a custom domain issues tokens under both names. Stytch's libraries accept both.
            issuers = issuers or (f"stytch.com/{project}", *([f"https://{domain}"] if domain else []))
            audience = audience or project
            shared = "api.stytch.com" if project.startswith("project-live-") else "test.stytch.com"
            key_set = key_set or f"https://{domain or shared}/v1/b2b/sessions/jwks/{project}"
            organization_claim = organization_claim or _STYTCH_ORGANIZATION
        needed = {"jwt_issuers": issuers, "jwt_audience": audience, "jwt_jwks": key_set}
        # The last two have no effect without an issuer.
        dependent = {"jwt_organization_claim": organization_claim, "jwt_required_role": self.jwt_required_role}
        given = [field for field, value in {**needed, **dependent}.items() if value]
        if not given:
            return None
        for field, value in needed.items():
            if not value:
                raise missing(field, because=given[0])
        return Tokens(
            issuers=issuers,
            audience=audience,
            key_set=key_set,
            organization_claim=organization_claim,
            algorithms=self.jwt_algorithms,
            leeway=self.jwt_leeway,
            required_role=self.jwt_required_role or None,
        )

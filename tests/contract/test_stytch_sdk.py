"""What Stytch's own library says of these tokens, so that the tests' issuer is no invention."""

from __future__ import annotations

from collections.abc import Iterator

import jwt
import pytest
import stytch

from modelservice.config import load
from tests.support.issuer import CLIENT, MEMBER, PROJECT, Issuer, machine, member, sign

# Its own use of aiohttp.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")

LIVE = PROJECT.replace("test", "live")


@pytest.fixture
def client() -> Iterator[stytch.B2BClient]:
    with Issuer() as issuer:
        one = stytch.B2BClient(PROJECT, "secret", suppress_warnings=True)
        one.sessions.jwks_client = one.m2m.jwks_client = jwt.PyJWKClient(issuer.url)
        yield one


def test_a_members_token_is_a_session(client: stytch.B2BClient) -> None:
    session = client.sessions.authenticate_jwt_local(sign(member("organization-test-1")))

    assert session
    assert (MEMBER, "organization-test-1") == (session.member_id, session.organization_id)
    assert client.sessions.authenticate_jwt_local(sign(member() | {"aud": "other"})) is None


def test_a_machines_token_is_a_clients(client: stytch.B2BClient) -> None:
    found = client.m2m.authenticate_token(sign(machine()), required_scopes=["models:read"])

    assert found
    assert (CLIENT, ["models:read"]) == (found.client_id, found.scopes)


@pytest.mark.parametrize("project", [PROJECT, LIVE])
@pytest.mark.parametrize("domain", ["", "login.example.com"])
def test_it_has_the_keys_from_the_same_address(project: str, domain: str) -> None:
    base = f"https://{domain}" if domain else None
    client = stytch.B2BClient(project, "secret", suppress_warnings=True, custom_base_url=base)

    tokens = load({"MODELSERVICE_STYTCH_PROJECT_ID": project, "MODELSERVICE_STYTCH_DOMAIN": domain}).tokens

    assert tokens
    assert client.jwks_client.uri == tokens.key_set

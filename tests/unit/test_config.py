from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modelservice.config import SETTINGS, Address, Tls, Tokens, Upstream, load, shown
from modelservice.errors import InvalidSettingError
from modelservice.pem_files import PairFiles, PemFile


def test_the_defaults_are_loopback_and_sqlite() -> None:
    settings = load({})

    assert "sqlite:///modelservice.db" == settings.database_url
    assert ("127.0.0.1", 50051) == settings.grpc_address
    assert ("127.0.0.1", 8080) == settings.http_address
    assert ("127.0.0.1", 8081) == settings.health_address
    # A Unix socket.
    assert settings.envoy_admin_address is None
    assert ("127.0.0.1", 9464) == settings.metrics_address


@pytest.mark.parametrize(
    ("text", "host"),
    [("[::ffff:127.0.0.1]:5", "127.0.0.1"), ("[::ffff:7f00:1]:5", "127.0.0.1"), ("[::ffff:1.2.3.4]:5", "1.2.3.4")],
)
def test_an_ipv4_address_written_as_an_ipv6_one_is_the_ipv4_address(text: str, host: str) -> None:
    assert Address(host, 5) == load({"MODELSERVICE_HTTP_ADDRESS": text}).http_address


def test_all_addresses_are_no_loopback_however_they_are_written() -> None:
    settings = load({"MODELSERVICE_HTTP_ADDRESS": "[::ffff:0.0.0.0]:5"})

    with pytest.raises(InvalidSettingError, match="is not loopback"):
        settings.tls.require_edge(settings.http_address)


def test_an_empty_setting_is_not_set() -> None:
    assert load({}) == load({setting.name: "" for setting in SETTINGS})


WRONG = {
    "DATABASE_URL": [
        "postgresql://u:secret@h",
        "postgresql+psycopg://u:secret@h:x/d",
        "postgresql+psycopg://u:secret@h/",
        "postgresql+psycopg://u:secret@h/d/e",
        "postgresql+psycopg2://u:secret@h/d",
        "postgresql+psycopg://u:secret@h/d\n",
        "mysql://u:secret@h/d",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a?mode=ro",
        "a",
    ],
    "GRPC_ADDRESS": ["50051", "localhost:50051", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "256.0.0.1:1", "::1:5"],
    "HTTP_ADDRESS": ["[127.0.0.1]:80", "[::1]", "127.0.0.1:80 ", "http://127.0.0.1:80"],
    "HEALTH_ADDRESS": ["8081", "none", "127.0.0.1:0"],
    "ENVOY_ADMIN_ADDRESS": ["x", "0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901", "/run/admin.sock"],
    "METRICS_ADDRESS": ["9464", "none", "OFF", "127.0.0.1:0"],
    "REST_RENDERING": ["READY", "json"],
    "REFLECTION": ["yes", "1"],
    "REFRESH_INTERVAL": ["0", "0.6", "nan", "inf", "x", "-1"],
    "MAX_STALENESS": ["0.5", "-1", "604801", "nan", "1h"],
    "DRAIN_SECONDS": ["-1", "301", "1s"],
    "PIN_WORKERS": ["yes"],
    "EDGE_CACHE_TTL": ["-0.1", "1.1", "nan", "1s"],
    "CLIENT_CACHE_MAX_AGE": ["-1", "86401", "1.5", "off"],
    "ORGANIZATION_HEADER": ["yes"],
    "RATE_PER_ADDRESS": ["-1", "1000001", "1.5", "off"],
    "RATE_PER_CREDENTIAL": ["-1", "1000001", "200/s"],
    "TRUSTED_PROXIES": ["-1", "11", "10.0.0.1"],
    "CORS_ORIGINS": [
        "*",
        "null",
        "a.example.com",
        "https://a.example.com/",
        "https://A.example.com",
        "https://a.example.com:443",
        "http://a.example.com:80",
        "http://a.example.com:65536",
        "https://a.example.com https://b.example.com",
        "https://a.example.com,",
        "https://u:secret@a.example.com",
        "ftp://a.example.com",
    ],
    "ENVOY_MEMORY_MAX": ["255", "1048577", "1G", "0"],
    "PROMPT_QUOTA_BYTES": ["-1", "1e3", "1000000001", "x"],
    "HISTORY_DAYS": ["-1", "36501", "1.5", "forever"],
    "LOG_LEVEL": ["verbose", "INFO"],
    "LOG_FORMAT": ["text", "JSON"],
    "LOG_CALLS_PER_SECOND": ["-1", "100001", "1.5", "all"],
    "STYTCH_PROJECT_ID": ["x", "project-test-", "project-dev-1", "project-test-a/../b", "project-test-a\n"],
    "STYTCH_DOMAIN": ["https://login.example.com", "login", "login.example.com/", "a b.c", "user@login.example.com"],
    "JWT_ISSUERS": ["a\tb", "ä"],
    "JWT_AUDIENCE": ["a b", "ä"],
    "JWT_JWKS": [
        "http://issuer.example.com/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///jwks.json",
        "https://u:secret@issuer.example.com/jwks",
        "https://",
        "https://issuer.example.com:x/",
        "https://issuer.example.com/#a",
        "https://issuer.example.com/a b",
        "http://localhost.example.com/jwks",
    ],
    "JWT_ORGANIZATION_CLAIM": ["a b c", "ä"],
    "JWT_ALGORITHMS": ["none", "HS256", "RS256 HS256", "RS256,ES256", "rs256", " "],
    "JWT_LEEWAY": ["-1", "301", "nan", "x"],
    "JWT_REQUIRED_ROLE": ["a b"],
    **{
        name: ["-----BEGIN PRIVATE KEY-----", "a\nb", "a\0b"]
        for name in (
            "TLS_CERTIFICATE",
            "TLS_KEY",
            "GRPC_TLS_CERTIFICATE",
            "GRPC_TLS_KEY",
            "GRPC_TLS_CLIENT_CA",
            "GRPC_TLS_CA",
            "GRPC_TLS_CLIENT_CERTIFICATE",
            "GRPC_TLS_CLIENT_KEY",
        )
    },
    "GRPC_TLS_SERVER_NAME": ["a b", "256.0.0.1", "a..b", "https://models.internal", "spiffe://a b", "*", "::x"],
    "ALLOW_PLAINTEXT": ["yes", "1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_line_that_names_the_setting_and_not_the_value(name: str, value: str) -> None:
    with pytest.raises(InvalidSettingError) as raised:
        load({f"MODELSERVICE_{name}": value})

    assert str(raised.value).startswith(f"MODELSERVICE_{name}: must be ")
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_every_setting_with_bounds_is_tried_with_wrong_values() -> None:
    assert {setting.field.upper() for setting in SETTINGS} == WRONG.keys() | {"ENVOY_BINARY"}


@pytest.mark.parametrize(
    "name", ["MODELSERVICE_GRPC_ADRESS", "MODELSERVICE_", "MODELSERVICE_GRPC_PORT", "MODELSERVICE_X"]
)
def test_a_name_that_is_no_setting_is_refused(name: str) -> None:
    with pytest.raises(InvalidSettingError, match=rf"^{name}: there is no such setting"):
        load({name: "x"})


@pytest.mark.parametrize(
    "environment",
    [
        {
            "MODELSERVICE_SERVICE_HOST": "10.0.0.1",
            "MODELSERVICE_SERVICE_PORT": "50051",
            "MODELSERVICE_SERVICE_PORT_GRPC": "50051",
            "MODELSERVICE_PORT": "tcp://10.0.0.1:50051",
            "MODELSERVICE_PORT_50051_TCP": "tcp://10.0.0.1:50051",
            "MODELSERVICE_PORT_50051_TCP_ADDR": "10.0.0.1",
            "MODELSERVICE_PORT_50051_TCP_PORT": "50051",
            "MODELSERVICE_PORT_50051_TCP_PROTO": "tcp",
        },
        {"MODELSERVICE_POSTGRES_SERVICE_HOST": "10.0.0.2", "MODELSERVICE_POSTGRES_PORT": "tcp://10.0.0.2:5432"},
    ],
    ids=["modelservice", "modelservice-postgres"],
)
def test_what_kubernetes_injects_is_ignored(environment: dict[str, str]) -> None:
    assert load({}) == load(environment)


def test_an_address_that_is_everywhere_is_reached_on_loopback() -> None:
    assert ("127.0.0.1", 5) == Address("0.0.0.0", 5).reachable()  # noqa: S104
    assert ("::1", 5) == Address("::", 5).reachable()
    assert ("10.1.1.1", 5) == Address("10.1.1.1", 5).reachable()
    assert "[::1]:5" == str(load({"MODELSERVICE_GRPC_ADDRESS": "[::1]:5"}).grpc_address)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_a_postgres_is_named_as_platforms_name_it(scheme: str) -> None:
    loaded = load({"MODELSERVICE_DATABASE_URL": f"{scheme}://u:p%40ss@h:5/d?sslmode=require&host=a&host=b"})

    assert "postgresql+psycopg://u:p%40ss@h:5/d?sslmode=require&host=a&host=b" == loaded.database_url


def test_no_password_is_shown() -> None:
    (database,) = [setting for setting in SETTINGS if setting.field == "database_url"]

    assert "postgresql://u:***@h:5/d" == database.show("postgresql://u:p@ss:w/rd@h:5/d".replace("/rd", "rd"))
    assert "postgresql://h/d?user=u&password=***&***" == database.show("postgresql://h/d?user=u&password=p&a=b")
    assert "sqlite:///x.db" == shown({"MODELSERVICE_DATABASE_URL": "sqlite:///x.db"})["MODELSERVICE_DATABASE_URL"]


PROJECT = "project-live-11111111-1111-4111-8111-111111111111"
STYTCH = Tokens(
    issuers=(f"stytch.com/{PROJECT}",),
    audience=PROJECT,
    key_set=f"https://api.stytch.com/v1/b2b/sessions/jwks/{PROJECT}",
    organization_claim=("https://stytch.com/organization", "organization_id"),
    algorithms=("RS256",),
    leeway=30,
    required_role=None,
)


def tokens(**settings: str) -> Tokens | None:
    return load({f"MODELSERVICE_{name}": value for name, value in settings.items()}).tokens


def test_a_stytch_project_is_all_that_stytch_needs() -> None:
    assert STYTCH == tokens(STYTCH_PROJECT_ID=PROJECT)


def test_a_custom_domain_issues_tokens_too_and_has_the_keys() -> None:
    assert replace(
        STYTCH,
        issuers=(f"stytch.com/{PROJECT}", "https://login.example.com"),
        key_set=f"https://login.example.com/v1/b2b/sessions/jwks/{PROJECT}",
    ) == tokens(STYTCH_PROJECT_ID=PROJECT, STYTCH_DOMAIN="Login.example.com")


def test_a_setting_of_tokens_goes_before_stytchs() -> None:
    assert replace(STYTCH, key_set="/etc/jwks.json", required_role="reader", leeway=0, algorithms=("ES256",)) == tokens(
        STYTCH_PROJECT_ID=PROJECT,
        JWT_JWKS="/etc/jwks.json",
        JWT_REQUIRED_ROLE="reader",
        JWT_LEEWAY="0",
        JWT_ALGORITHMS="ES256",
    )


def test_another_issuer_is_as_good() -> None:
    assert Tokens(
        issuers=("https://id.example.com/", "id.example.com"),
        audience="models",
        key_set="https://id.example.com/jwks?a=b",
        organization_claim=("org",),
        algorithms=("RS256", "EdDSA"),
        leeway=30,
        required_role=None,
    ) == tokens(
        JWT_ISSUERS="https://id.example.com/  id.example.com",
        JWT_AUDIENCE="models",
        JWT_JWKS="https://id.example.com/jwks?a=b",
        JWT_ORGANIZATION_CLAIM="org",
        JWT_ALGORITHMS="RS256 EdDSA",
    )
    assert tokens() is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:5/jwks", "http://[::1]/jwks", "http://localhost:80/"])
def test_keys_may_come_without_tls_from_this_machine_alone(url: str) -> None:
    found = tokens(STYTCH_PROJECT_ID=PROJECT, JWT_JWKS=url)

    assert found
    assert url == found.key_set


NEEDED = {"JWT_ISSUERS": "https://id.example.com", "JWT_AUDIENCE": "models", "JWT_JWKS": "https://id.example.com/jwks"}


@pytest.mark.parametrize("missing", NEEDED)
def test_half_a_configuration_is_refused(missing: str) -> None:
    half = {name: value for name, value in NEEDED.items() if name != missing}

    with pytest.raises(InvalidSettingError, match=rf"^MODELSERVICE_{missing}: must be set, because MODELSERVICE_JWT_"):
        tokens(**half)


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"JWT_ISSUERS": "x"}, "JWT_AUDIENCE"),
        ({"JWT_ORGANIZATION_CLAIM": "org"}, "JWT_ISSUERS"),
        ({"JWT_REQUIRED_ROLE": "reader"}, "JWT_ISSUERS"),
        ({"STYTCH_DOMAIN": "login.example.com"}, "STYTCH_PROJECT_ID"),
        (NEEDED | {"STYTCH_DOMAIN": "login.example.com"}, "STYTCH_PROJECT_ID"),
    ],
)
def test_what_needs_an_issuer_is_refused_without(given: dict[str, str], needed: str) -> None:
    with pytest.raises(InvalidSettingError, match=rf"^MODELSERVICE_{needed}: must be set, because "):
        tokens(**given)


def tls(**settings: str) -> Tls:
    return load({f"MODELSERVICE_{name}": value for name, value in settings.items()}).tls


EDGE = {"TLS_CERTIFICATE": "a.crt", "TLS_KEY": "a.key"}
SERVER = {"GRPC_TLS_CERTIFICATE": "b.crt", "GRPC_TLS_KEY": "b.key"}
TRUST = {"GRPC_TLS_CA": "ca.crt", "GRPC_TLS_SERVER_NAME": "Models.Internal"}
SHOWN = {"GRPC_TLS_CLIENT_CERTIFICATE": "c.crt", "GRPC_TLS_CLIENT_KEY": "c.key"}
CLIENT_CA = {"GRPC_TLS_CLIENT_CA": "clients.crt"}
PLAIN = Address("127.0.0.1", 1)


def pair(prefix: str, name: str) -> PairFiles:
    return PairFiles(
        PemFile(f"MODELSERVICE_{prefix}_CERTIFICATE", Path(f"{name}.crt")),
        PemFile(f"MODELSERVICE_{prefix}_KEY", Path(f"{name}.key")),
    )


def test_every_file_of_tls_knows_the_setting_that_names_it() -> None:
    assert Tls(
        edge=pair("TLS", "a"),
        server=pair("GRPC_TLS", "b"),
        client_authority=PemFile("MODELSERVICE_GRPC_TLS_CLIENT_CA", Path("clients.crt")),
        upstream=Upstream(
            authority=PemFile("MODELSERVICE_GRPC_TLS_CA", Path("ca.crt")),
            server_name="models.internal",
            pair=pair("GRPC_TLS_CLIENT", "c"),
        ),
        plaintext_allowed=False,
    ) == tls(**EDGE, **SERVER, **TRUST, **SHOWN, **CLIENT_CA)
    assert Tls(edge=None, server=None, client_authority=None, upstream=None, plaintext_allowed=True) == tls(
        ALLOW_PLAINTEXT="true"
    )


@pytest.mark.parametrize(
    ("given", "expected"), [("::0001", "::1"), ("10.0.0.1", "10.0.0.1"), ("spiffe://a/B", "spiffe://a/B")]
)
def test_a_server_may_be_named_in_other_ways_than_by_its_host(given: str, expected: str) -> None:
    upstream = tls(GRPC_TLS_CA="ca.crt", GRPC_TLS_SERVER_NAME=given).upstream

    assert upstream
    assert expected == upstream.server_name


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        *((half, other) for both in (EDGE, SERVER, TRUST) for half, other in zip(both, reversed(both), strict=True)),
        ("GRPC_TLS_CLIENT_CA", "GRPC_TLS_CERTIFICATE"),
        ("GRPC_TLS_CLIENT_CERTIFICATE", "GRPC_TLS_CLIENT_KEY"),
        ("GRPC_TLS_CLIENT_KEY", "GRPC_TLS_CLIENT_CERTIFICATE"),
    ],
)
def test_half_of_what_tls_needs_is_refused(given: str, needed: str) -> None:
    line = f"^MODELSERVICE_{needed}: must be set, because MODELSERVICE_{given} is$"
    with pytest.raises(InvalidSettingError, match=line):
        tls(**{given: "models.internal"})


def test_a_certificate_for_nobody_is_refused() -> None:
    with pytest.raises(InvalidSettingError, match=r"^MODELSERVICE_GRPC_TLS_CA: must be set, because .*CLIENT_CERT"):
        tls(**SHOWN)


@pytest.mark.parametrize(
    ("given", "needed"),
    [(SERVER, "GRPC_TLS_CA"), (SERVER | TRUST | CLIENT_CA, "GRPC_TLS_CLIENT_CERTIFICATE")],
)
def test_an_envoy_that_could_not_talk_to_the_server_is_refused(given: dict[str, str], needed: str) -> None:
    with pytest.raises(InvalidSettingError, match=rf"^MODELSERVICE_{needed}: must be set, because "):
        tls(**given).require_edge(PLAIN)

    # The server alone is not concerned.
    tls(**given).require_server(PLAIN)


def test_an_envoy_that_wants_tls_of_a_server_that_has_none_is_refused() -> None:
    with pytest.raises(InvalidSettingError, match=r"^MODELSERVICE_GRPC_TLS_CERTIFICATE: must be set, because "):
        tls(**TRUST).require_server_for_edge()

    tls(**TRUST, **SERVER).require_server_for_edge()
    # Where the server runs elsewhere, it has its own settings.
    tls(**TRUST).require_edge(PLAIN)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.1.1", "::", "::ffff:10.1.1.1"])  # noqa: S104
def test_plain_text_beyond_loopback_needs_a_setting_that_says_so(host: str) -> None:
    address = Address(host, 5)

    with pytest.raises(InvalidSettingError) as edge:
        tls().require_edge(address)
    with pytest.raises(InvalidSettingError) as server:
        tls(**EDGE).require_server(address)

    assert (
        f"MODELSERVICE_HTTP_ADDRESS: {address} is not loopback, and would be plain text: "
        "set MODELSERVICE_TLS_CERTIFICATE, or MODELSERVICE_ALLOW_PLAINTEXT to true"
    ) == str(edge.value)
    assert str(server.value).startswith(f"MODELSERVICE_GRPC_ADDRESS: {address} is not loopback")
    assert "set MODELSERVICE_GRPC_TLS_CERTIFICATE, or MODELSERVICE_ALLOW_PLAINTEXT" in str(server.value)
    tls(**EDGE).require_edge(address)
    tls(**SERVER).require_server(address)
    tls(ALLOW_PLAINTEXT="true").require_edge(address)
    tls(ALLOW_PLAINTEXT="true").require_server(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_plain_text_on_loopback_needs_nothing(host: str) -> None:
    tls().require_edge(Address(host, 5))
    tls().require_server(Address(host, 5))


@pytest.mark.parametrize("name", ["reflection", "tokens", "tls", "another"])
def test_settings_cannot_be_changed(name: str) -> None:
    with pytest.raises(AttributeError, match=f"{name} is read-only"):
        setattr(load({}), name, None)

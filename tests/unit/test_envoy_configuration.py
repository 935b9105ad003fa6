"""Envoy's configuration: the template with any settings is what the real Envoy takes, and its values stay values."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from modelservice.config import load
from modelservice.edge.configuration import LOG_BUDGET, Edge, render, write_configuration
from modelservice.edge.processes import find_envoy
from modelservice.errors import REFUSALS, Refusal
from tests.support.harness import DEADLINE, ENVOY, ROOT

HERE = Path("src/modelservice/edge")
EDGE_TLS = {"TLS_CERTIFICATE": "/tls/edge.crt", "TLS_KEY": "/tls/edge.key"}
UPSTREAM_TLS = {
    "GRPC_TLS_CERTIFICATE": "/tls/server.crt",
    "GRPC_TLS_KEY": "/tls/server.key",
    "GRPC_TLS_CA": "/tls/ca.crt",
    "GRPC_TLS_SERVER_NAME": "models.internal",
}
CLIENT_TLS = {"GRPC_TLS_CLIENT_CERTIFICATE": "/tls/client.crt", "GRPC_TLS_CLIENT_KEY": "/tls/client.key"}
ANYWHERE = {"HTTP_ADDRESS": "[::]:8080", "HEALTH_ADDRESS": "[::]:8081", "ALLOW_PLAINTEXT": "true"}
# Each is dangerous to YAML, to Lua, to the template, or to two of them.
HOSTILE = [
    "it's",
    'a "quote',
    "back\\slash \\",
    "two\nlines",
    "]]",
    "[[ folder ]]",
    "[% if %]",
    "{brace}",
    "a: b # c",
    "ü \U0001f600 \u2028 \x85",
]


def edge(*upstreams: tuple[str, int], **settings: str) -> Edge:
    return Edge(load({f"MODELSERVICE_{name}": value for name, value in settings.items()}), upstreams)


def rendered(one: Edge, folder: Path = HERE, **how: Any) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(render(one, folder, Path("envoy-admin.sock"), **how))
    return configuration


def manager(configuration: dict[str, Any]) -> dict[str, Any]:
    listener = configuration["static_resources"]["listeners"][0]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def filters(configuration: dict[str, Any]) -> list[str]:
    return [one["name"].removeprefix("envoy.filters.http.") for one in manager(configuration)["http_filters"]]


def script(configuration: dict[str, Any]) -> str:
    (lua,) = (one for one in manager(configuration)["http_filters"] if one["name"].endswith(".lua"))
    source: str = lua["typed_config"]["default_source_code"]["inline_string"]
    return source


@pytest.mark.parametrize(
    "one",
    [
        edge(),
        edge(("10.0.0.1", 1), ("::1", 2), RATE_PER_ADDRESS="0", HEALTH_ADDRESS="off"),
        edge(("models.internal", 50051), RATE_PER_CREDENTIAL="0", TRUSTED_PROXIES="2", LOG_CALLS_PER_SECOND="0"),
        edge(RATE_PER_ADDRESS="0", RATE_PER_CREDENTIAL="0", ORGANIZATION_HEADER="true", REST_RENDERING="transcoder"),
        edge(CORS_ORIGINS="https://a.example, http://b:8000", ENVOY_ADMIN_ADDRESS="127.0.0.1:9901", **ANYWHERE),
        edge(**EDGE_TLS, **UPSTREAM_TLS | {"GRPC_TLS_SERVER_NAME": "10.0.0.1"}, EDGE_CACHE_TTL="0"),
        edge(**EDGE_TLS, **UPSTREAM_TLS, **CLIENT_TLS, CORS_ORIGINS="https://a.example", ENVOY_MEMORY_MAX="300"),
        edge(**UPSTREAM_TLS | {"GRPC_TLS_SERVER_NAME": "spiffe://a/b"}, TRUSTED_PROXIES="1"),
    ],
)
def test_envoy_accepts_every_variant(tmp_path: Path, one: Edge) -> None:
    written = write_configuration(one, tmp_path, tmp_path)

    validates(written)


def test_a_hostile_path_stays_a_path(tmp_path: Path) -> None:
    folder = tmp_path / " ".join(HOSTILE)
    written = write_configuration(edge(ENVOY_ADMIN_ADDRESS="127.0.0.1:9901"), folder, folder)

    budget = manager(yaml.safe_load(written.read_text()))["access_log"][1]["filter"]["and_filter"]["filters"][-1]
    source = budget["extension_filter"]["typed_config"]["dynamic_config"]["config_source"]
    assert f"{folder}/{LOG_BUDGET}" == source["path_config_source"]["path"]
    # Envoy reads every file of the folder, the scripts through Lua.
    validates(written)


def test_a_hostile_value_stays_a_value() -> None:
    one = edge(("\"}, {a: 'b", 1), CORS_ORIGINS="https://a.example")
    # The settings accept no such origin.
    vars(one.settings)["cors_origins"] = tuple(HOSTILE)

    configuration = rendered(one, Path('"..os.exit()..\\"\n--]]'))

    (locality,) = configuration["static_resources"]["clusters"][0]["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    assert "\"}, {a: 'b" == endpoint["endpoint"]["address"]["socket_address"]["address"]
    folder = r"\"..os.exit()..\\\"\010--]]"
    origins = (
        r"""{"it's", "a \"quote", "back\\slash \\", "two\010lines", "]]", "[[ folder ]]", "[% if %]", "{brace}", """
    )
    assert f'local settings = {{folder = "{folder}", cors_origins = {origins}' in script(configuration)


@pytest.mark.parametrize(
    "text", ["[[ settings.none ]]", "[[ none_such | yaml ]]", "[[ {'a': settings.none} | lua ]]", "[% if none_such %]"]
)
def test_an_undefined_name_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "envoy.yaml.j2").write_text(f"a: {text}{'[% endif %]' * ('if' in text)}")
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)

    with pytest.raises((jinja2.UndefinedError, TypeError)):
        rendered(edge())


def test_every_value_is_quoted() -> None:
    text = (ROOT / HERE / "envoy.yaml.j2").read_text()
    macros = r"(?:address|listen|secret|status|error)\(.*\)"
    constants = r'"STRICT_DNS" if names else "STATIC"|is_call|is_health|kind|san_type|\{"ready": .*\}\[settings\.\w+\]'

    values = re.findall(r"\[\[ (.*?) \]\]", text, re.DOTALL)
    assert 30 < len(values)
    assert [] == [one for one in values if not re.fullmatch(rf".*\| (yaml|lua)|{macros}|{constants}", one, re.DOTALL)]


def test_the_repositorys_file_has_the_default_settings(tmp_path: Path) -> None:
    assert (ROOT / "envoy.yaml").read_text() == render(edge(), HERE, Path("envoy-admin.sock"), platform="linux")
    # So does the budget of the log.
    write_configuration(edge(), tmp_path, tmp_path)
    assert yaml.safe_load((ROOT / HERE / LOG_BUDGET).read_text()) == yaml.safe_load((tmp_path / LOG_BUDGET).read_text())


def test_the_scripts_come_first_and_limits_before_the_rest() -> None:
    limiters = ["local_ratelimit.address", "header_to_metadata", "local_ratelimit.credential"]

    assert ["lua", "health_check", *limiters, "header_mutation"] == filters(rendered(edge()))[:6]
    unlimited = filters(rendered(edge(RATE_PER_ADDRESS="0", RATE_PER_CREDENTIAL="0")))
    assert ["lua", "health_check", "header_mutation"] == unlimited[:3]


def test_every_error_of_envoy_is_a_row_of_the_table() -> None:
    sent = re.findall(r'"inline_string": "(\{.*?\})"', json.dumps(manager(rendered(edge()))["local_reply_config"]))
    documented = {json.dumps(Refusal(kind).document, separators=(",", ":")) for kind in REFUSALS}

    assert 9 <= len(set(sent))
    assert {json.loads(f'"{body}"') for body in sent} <= documented


def test_no_error_is_written_by_hand() -> None:
    for path in (ROOT / HERE).glob("*"):
        if path.suffix in {".lua", ".j2"} and path.name != "errors.lua":
            assert not [kind for kind in REFUSALS if kind.message in path.read_text()], path


def test_scripts_get_their_values_in_one_table() -> None:
    source = script(
        rendered(
            edge(
                EDGE_CACHE_TTL="0.25",
                CLIENT_CACHE_MAX_AGE="7",
                ORGANIZATION_HEADER="true",
                CORS_ORIGINS="https://a.example",
                ENVOY_MEMORY_MAX="256",
                RATE_PER_CREDENTIAL="5",
            ),
            Path("/edge"),
        )
    )

    assert (
        'local settings = {folder = "/edge", cors_origins = {"https://a.example"}, cache_ttl = 250, '
        'cache_answers = 10000, cache_bytes = 16777216, rate_per_credential = 5, cache_control = "private, max-age=7", '
        'vary = "Authorization, Accept-Encoding, x-modelservice-organization", send_budget = 33554432}\n'
    ) in source


def test_the_option_of_linux_is_set_there_alone() -> None:
    options = {
        platform: "socket_options" in rendered(edge(), platform=platform)["static_resources"]["listeners"][0]
        for platform in ("linux", "darwin")
    }

    assert {"linux": True, "darwin": False} == options


def validates(written: Path) -> None:
    done = subprocess.run(
        [find_envoy(ENVOY), "--mode", "validate", "--log-level", "error", "-c", str(written)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)

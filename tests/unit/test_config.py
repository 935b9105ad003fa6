from __future__ import annotations

import pytest

from modelservice.config import SETTINGS, Address, load, shown
from modelservice.errors import InvalidSettingError


def test_the_defaults_are_loopback_and_sqlite() -> None:
    settings = load({})

    assert "sqlite:///modelservice.db" == settings.database_url
    assert ("127.0.0.1", 50051) == settings.grpc_address
    assert ("127.0.0.1", 8080) == settings.http_address
    assert ("127.0.0.1", 9901) == settings.envoy_admin_address


def test_an_empty_setting_is_not_set() -> None:
    assert load({}) == load({setting.name: "" for setting in SETTINGS})


WRONG = {
    "DATABASE_URL": [
        "postgresql://u:secret@h/d",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a?mode=ro",
        "a",
    ],
    "GRPC_ADDRESS": ["50051", "localhost:50051", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "256.0.0.1:1", "::1:5"],
    "HTTP_ADDRESS": ["[127.0.0.1]:80", "[::1]", "127.0.0.1:80 ", "http://127.0.0.1:80"],
    "ENVOY_ADMIN_ADDRESS": ["x"],
    "REST_RENDERING": ["READY", "json"],
    "REFLECTION": ["yes", "1"],
    "REFRESH_INTERVAL": ["0", "0.6", "nan", "inf", "x", "-1"],
    "DRAIN_SECONDS": ["-1", "301", "1s"],
    "ORGANIZATION_HEADER": ["yes"],
    "PROMPT_QUOTA_BYTES": ["-1", "1e3", "1000000001", "x"],
    "LOG_LEVEL": ["verbose", "INFO"],
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


def test_no_password_is_shown() -> None:
    (database,) = [setting for setting in SETTINGS if setting.field == "database_url"]

    assert "postgresql://u:***@h:5/d" == database.show("postgresql://u:p@ss:w/rd@h:5/d".replace("/rd", "rd"))
    assert "sqlite:///x.db" == shown({"MODELSERVICE_DATABASE_URL": "sqlite:///x.db"})["MODELSERVICE_DATABASE_URL"]

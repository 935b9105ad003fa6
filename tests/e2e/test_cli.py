"""The commands, as people and scripts use them."""

from __future__ import annotations

import json
import re

import pytest

from modelservice.cli import _COMMANDS
from modelservice.config import SETTINGS
from tests.support.harness import Place
from tests.support.poison import poison
from tests.support.service import prepare


def refused(place: Place, *arguments: str) -> tuple[int, str]:
    """Runs a command that must fail with one line and no output: before it would serve anything."""
    done = place.command(*arguments, check=False, own_process=False)
    assert "" == done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def test_an_organization_and_its_keys(place: Place) -> None:
    place.command("migrate")
    assert "created organization acme\n" == place.command("organizations", "create", "acme").stdout
    created = place.command(
        "keys",
        "create",
        "--organization",
        "acme",
        "--scope",
        "models:read",
        "--expires-in",
        "90d",
        "--name",
        "CI, prod",
    )
    # The key alone, so that a script can take it.
    assert re.fullmatch(r"msk_\w{12}_\w{38}\n", created.stdout)
    key_id = created.stdout.split("_")[1]
    said = f"created key {key_id} of organization acme, with models:read; it is not shown again\n"
    assert said == created.stderr
    place.command("keys", "create", "--organization", "acme", "--no-scope")

    rows = json.loads(place.command("keys", "list", "--json").stdout)
    table = place.command("keys", "list").stdout

    (first, second) = sorted(rows, key=lambda row: str(row["name"]), reverse=True)
    assert (key_id, "acme", "CI, prod", ["models:read"], "active", None) == tuple(
        first[name] for name in ("id", "organization", "name", "scopes", "state", "revoked")
    )
    assert ([], None) == (second["scopes"], second["expires"])
    assert 3 == len(table.splitlines())
    assert "id\torganization\tname\tscopes\tstate\tcreated\texpires\trevoked" == table.splitlines()[0]
    # Neither the secret nor its digest is anywhere.
    secret = created.stdout.strip().split("_")[2]
    assert secret not in table + json.dumps(rows)
    assert "digest" not in json.dumps(rows)
    assert [{"organization": "acme"}] == [
        {"organization": row["organization"]}
        for row in json.loads(place.command("organizations", "list", "--json").stdout)
    ]
    assert "acme" in place.command("organizations", "list").stdout

    assert f"revoked key {key_id}\n" == place.command("keys", "revoke", key_id).stdout
    assert f"key {key_id}: is already revoked\n" == place.command("keys", "revoke", key_id).stdout

    states = {row["id"]: row["state"] for row in json.loads(place.command("keys", "list", "--json").stdout)}
    assert {"revoked", "active"} == set(states.values())
    assert "revoked" == states[key_id]


def test_a_key_may_read_unless_it_is_told_otherwise(place: Place) -> None:
    place.command("migrate")
    place.command("organizations", "create", "acme")
    for name, options in (
        ("default", ("--organization", "acme")),
        ("scopeless", ("--organization", "acme", "--no-scope")),
        ("gateway", ("--scope", "models:read_any")),
    ):
        place.command("keys", "create", "--name", name, *options)

    rows = json.loads(place.command("keys", "list", "--json").stdout)

    assert {"default": ["models:read"], "scopeless": [], "gateway": ["models:read_any"]} == {
        row["name"]: row["scopes"] for row in rows
    }


def test_clients(place: Place) -> None:
    place.command("migrate")
    for organization in ("acme", "globex"):
        place.command("organizations", "create", organization)
    added = place.command("clients", "add", "m2m-client-1", "--organization", "acme").stdout
    assert "added client m2m-client-1: reads for organization acme\n" == added
    assert (1, "modelservice: client m2m-client-1: already reads for acme") == refused(
        place, "clients", "add", "m2m-client-1", "--organization", "globex"
    )
    rows = json.loads(place.command("clients", "list", "--json").stdout)
    assert [("m2m-client-1", "acme")] == [(row["client"], row["organization"]) for row in rows]
    assert ["client", "organization", "created"] == place.command("clients", "list").stdout.splitlines()[0].split()

    removed = place.command("clients", "remove", "m2m-client-1").stdout
    assert "removed client m2m-client-1: no longer reads for organization acme\n" == removed
    place.command("clients", "add", "m2m-client-1", "--organization", "globex")

    assert (
        1,
        "modelservice: organization globex: has 0 keys, 1 clients and 0 models: --cascade deletes them too",
    ) == refused(place, "organizations", "delete", "globex")
    deleted = place.command("organizations", "delete", "globex", "--cascade").stdout
    assert "deleted organization globex, with 0 keys, 1 clients and 0 models\n" == deleted
    assert [] == json.loads(place.command("clients", "list", "--json").stdout)
    audit = [row["action"] for row in json.loads(place.command("audit", "--json").stdout)]
    assert ["clients.add", "clients.remove", "clients.add", "organizations.delete"] == audit[2:]


def test_the_database_holds_no_secret(place: Place) -> None:
    place.command("migrate")
    place.command("organizations", "create", "acme")
    key = place.command("keys", "create", "--organization", "acme").stdout.strip()

    content = b"".join(file.read_bytes() for file in place.folder.glob("test.db*"))
    assert key.split("_")[1].encode() in content
    assert key.split("_")[2][:20].encode() not in content


def test_an_expired_key_is_called_so(place: Place) -> None:
    place.command("migrate")
    place.command("organizations", "create", "acme")
    place.command("keys", "create", "--organization", "acme", "--expires-in", "1s")

    def state() -> str:
        return str(json.loads(place.command("keys", "list", "--json").stdout)[0]["state"])

    states = [state()]
    while states[-1] == "active":
        states.append(state())
    assert "expired" == states[-1]


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("organizations", "create", "acme"), 1, "modelservice: organization acme: already exists"),
        (
            ("organizations", "create", "a b"),
            1,
            "modelservice: organization id 'a b': must be 1-128 letters, digits and . _ -",
        ),
        (("keys", "create", "--organization", "none"), 1, "modelservice: organization none: does not exist"),
        (
            ("keys", "create"),
            2,
            (
                "Error: --organization: is missing: a key belongs to an organization, unless it has "
                "--scope models:read_any"
            ),
        ),
        (
            ("keys", "create", "--organization", "acme", "--scope", "models:read", "--no-scope"),
            2,
            "Error: --scope or --no-scope, not both",
        ),
        (
            ("keys", "create", "--organization", "acme", "--scope", "models:write"),
            2,
            "Error: Invalid value for '--scope': 'models:write' is not one of 'models:read', 'models:read_any'.",
        ),
        (
            ("keys", "create", "--organization", "acme", "--expires-in", "90"),
            2,
            (
                "Error: Invalid value for '--expires-in': '90' must be a number and a unit (s, m, h, d, w), "
                "at most 100 years: 90d"
            ),
        ),
        (
            ("keys", "create", "--organization", "acme", "--name", "x" * 201),
            1,
            "modelservice: key name has 201 characters: must have 0 to 200",
        ),
        (("keys", "revoke", "none"), 1, "modelservice: key none: does not exist"),
        (("clients", "add", "c"), 2, "Error: Missing option '--organization'."),
        (("clients", "add", "c", "--organization", "none"), 1, "modelservice: organization none: does not exist"),
        (
            ("clients", "add", "a b", "--organization", "acme"),
            1,
            "modelservice: client id 'a b': must be 1-255 visible ASCII characters",
        ),
        (("clients", "remove", "none"), 1, "modelservice: client none: does not exist"),
        (("model",), 2, "Error: No such command 'model'."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    place: Place, arguments: tuple[str, ...], status: int, line: str
) -> None:
    place.command("migrate")
    place.command("organizations", "create", "acme")

    assert (status, line) == refused(place, *arguments)


@pytest.mark.parametrize("expires_in", ["0d", "-1d", "1y", "1.5d", "99999999999w", "101000w", "d", ""])
def test_a_lifetime_that_is_none_is_refused(place: Place, expires_in: str) -> None:
    assert 2 == refused(place, "keys", "create", "--organization", "acme", "--expires-in", expires_in)[0]


@pytest.mark.parametrize(
    "arguments", [("organizations", "list"), ("keys", "list"), ("organizations", "create", "acme")]
)
def test_without_a_database_commands_say_what_to_run(place: Place, arguments: tuple[str, ...]) -> None:
    assert (1, f"modelservice: {place.database_url} does not exist: run `modelservice init`") == refused(
        place, *arguments
    )
    assert not (place.folder / "test.db").exists()


def test_config_lists_every_setting(place: Place) -> None:
    place.settings["MODELSERVICE_LOG_LEVEL"] = "debug"
    rows = {row["setting"]: row for row in json.loads(place.command("config", "--json").stdout)}
    table = place.command("config").stdout

    assert [setting.name for setting in SETTINGS] == list(rows)
    assert ("debug", "info") == (rows["MODELSERVICE_LOG_LEVEL"]["value"], rows["MODELSERVICE_LOG_LEVEL"]["default"])
    assert "seconds" == rows["MODELSERVICE_DRAIN_SECONDS"]["unit"]
    assert len(SETTINGS) + 1 == len(table.splitlines())


@pytest.mark.parametrize("command", ["config", "serve", "migrate", "run"])
def test_a_wrong_setting_stops_every_command(place: Place, command: str) -> None:
    place.settings["MODELSERVICE_GRPC_ADDRES"] = "x"

    assert (
        1,
        "modelservice: MODELSERVICE_GRPC_ADDRES: there is no such setting (`modelservice config` lists them)",
    ) == refused(place, command)


def test_help_is_there_for_every_command(place: Place) -> None:
    assert "envoy-config" in place.command("--help").stdout
    for command in _COMMANDS:
        assert "Usage: modelservice" in place.command(command, "--help").stdout
    assert re.fullmatch(r"modelservice \d+\.\d+\.\d+\n", place.command("--version").stdout)


def test_check_warns_of_files_that_others_can_read(place: Place) -> None:
    place.command("migrate")
    assert "warning" not in place.command("check").stdout
    (place.folder / "test.db").chmod(0o644)
    (place.folder / "url").write_text(place.database_url)
    (place.folder / "url").chmod(0o604)
    place.settings |= {"MODELSERVICE_DATABASE_URL": "", "MODELSERVICE_DATABASE_URL_FILE": str(place.folder / "url")}

    done = place.command("check")

    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    assert [True, True] == [
        str(place.folder / name) in line for name, line in zip(("test.db", "url"), warnings, strict=True)
    ]
    assert "ok: " in done.stdout


def test_check_names_what_is_wrong_and_says_so_with_its_status(place: Place) -> None:
    keys = prepare(place)
    sound = place.command("check")
    assert re.fullmatch(r"ok: .*1 organizations, 2 api_keys, 0 clients, 10 models, .*\n", sound.stdout)
    assert {"ok": True, "findings": []}.items() <= json.loads(place.command("check", "--json").stdout).items()

    key_id = keys.reader.split("_")[1]
    poison(place.database_url, "api_keys", "scopes = '['", f"id = '{key_id}'")
    found, as_json = (place.command("check", *options, check=False) for options in ((), ("--json",)))

    assert (1, f"problem: api_keys {key_id}: scopes: cannot be decoded\n", "") == (
        found.returncode,
        found.stdout,
        found.stderr,
    )
    assert (1, "") == (as_json.returncode, as_json.stderr)
    assert {
        "ok": False,
        "findings": [{"severity": "problem", "table": "api_keys", "id": key_id, "reason": "scopes: cannot be decoded"}],
        "rows": {},
    } == json.loads(as_json.stdout)

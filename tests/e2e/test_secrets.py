"""No secret gets into a log, an error or what a command prints."""

from __future__ import annotations

import pytest

from modelservice.cli import _COMMANDS
from tests.support.calls import GET, bearer, call, unknown_model
from tests.support.harness import Place, Process, wait_until
from tests.support.ports import free_ports
from tests.support.postgres import Cluster
from tests.support.service import Keys, prepare
from tests.support.tls import CLIENT, secured

# Planted: like nothing that anybody would print otherwise.
SECRET = "Tr0ub4dor"  # noqa: S105
# What each command takes. Those that go on are started by the tests themselves.
ARGUMENTS = {
    "init": ("--organization", "other", "--key-file", "other.key"),
    "migrate": (),
    "backup": ("new.db",),
    "restore": ("backup.db",),
    "organizations": ("list",),
    "keys": ("list",),
    "clients": ("list",),
    "models": ("list",),
    "catalogue": ("export",),
    "sources": ("list",),
    "explain": ("gpt-4o",),
    "history": ("gpt-4o",),
    "diff": ("--from", "0"),
    "revert": ("1", "--dry-run"),
    "purge": ("gpt-4o",),
    "audit": (),
    "check": (),
    "config": (),
    "envoy-config": ("--out", "envoy"),
}


def test_no_key_is_logged_however_it_is_sent(place: Place) -> None:
    keys = prepare(place)
    place.settings["MODELSERVICE_LOG_LEVEL"] = "debug"
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        send_everywhere(place, keys)
        place.rest("/v1/nothing", headers={"x-request-id": "the-last-one"})
        wait_until(lambda: "the-last-one" in process.output, "Envoy's log is written")

        for key in (keys.reader, keys.without_scope):
            secret = key.split("_")[2]
            assert secret[:-6] not in process.log
            # Which key it was, the log does tell.
            assert f'"key_id": "{key.split("_")[1]}"' in process.errors


def send_everywhere(place: Place, keys: Keys) -> None:
    """Sends credentials wherever a caller might put them."""
    for key in (keys.reader, keys.without_scope, keys.reader[:-1] + "-"):
        place.rest("/v1/models", key)
        place.rest(f"/v1/models?api_key={key}", key)
        place.rest("/v1/models", headers={"authorization": key, "cookie": key, "x-api-key": key})
        call(place.grpc, GET, unknown_model(), bearer(key))
        call(place.http, GET, unknown_model(), bearer(key))


def printed(place: Place) -> str:
    """Runs every command, and returns all that they print."""
    (place.folder / "backup.db").touch()
    ran = [place.command(name, *arguments, check=False) for name, arguments in ARGUMENTS.items()]
    return "".join(done.stdout + done.stderr for done in ran)


def test_every_command_is_looked_at() -> None:
    assert set(_COMMANDS) == {*ARGUMENTS, "run", "serve"}


@pytest.mark.timeout(300)
def test_a_whole_run_prints_no_secret(place: Place, postgres_18: Cluster) -> None:
    url, password = postgres_18.database(), "not-a-secret"
    place.database_url = f"{url.replace(f':{password}@', '@')}?password={password}"
    keys = prepare(place)
    secured(place)
    place.settings["MODELSERVICE_LOG_LEVEL"] = "debug"
    with Process(place, "run", "--workers", "2") as process:
        process.wait_for("ready: ")
        said = printed(place)
        # A server that starts anew says again what it is connected to.
        assert 0 == process.end()
    said += process.log

    assert "modelservice@127.0.0.1" in said
    assert "?password=***" in said
    certified = [line for line in CLIENT.key.decode().splitlines() if "-----" not in line]
    for secret in (password, keys.reader.split("_")[2][:-6], *certified):
        assert secret not in said


PLACES = {
    "the password": "u:{}@127.0.0.1:{}/d",
    "the query": "u@127.0.0.1:{1}/d?password={0}",
    "an encoded name": "u@127.0.0.1:{1}/d?p%61ssword={0}",
    "upper case": "u@127.0.0.1:{1}/d?PASSWORD={0}",
    "a key's password": "u@127.0.0.1:{1}/d?sslpassword={0}&sslmode=require",
    "a password file": "u@127.0.0.1:{1}/d?passfile={0}",
    "a mistyped name": "u@127.0.0.1:{1}/d?pasword={0}",
    "the name of a parameter": "u@127.0.0.1:{1}/d?password=a&{0}=b",
    "two, in conflict": "u:{0}@127.0.0.1:{1}/d?password={0}2&password={0}3",
}


@pytest.mark.parametrize("where", PLACES)
def test_a_database_that_cannot_be_reached_does_not_tell_its_password(place: Place, where: str) -> None:
    (nobody,) = free_ports(1)
    place.database_url = f"postgresql://{PLACES[where].format(SECRET, nobody)}"
    place.settings["MODELSERVICE_LOG_LEVEL"] = "debug"
    with Process(place, "serve") as process:
        process.wait_for("the database cannot be read")
        process.end()
    migrated = place.command("migrate", check=False)
    shown = place.command("config")

    assert 1 == migrated.returncode
    assert "127.0.0.1" in shown.stdout
    assert SECRET not in process.log + migrated.stderr + migrated.stdout + shown.stdout + shown.stderr


def test_a_password_that_is_refused_is_told_by_no_command(place: Place, postgres_18: Cluster) -> None:
    url = postgres_18.database().replace("not-a-secret", SECRET)
    place.database_url = f"{url}?sslpassword={SECRET}"

    said = printed(place)

    assert "password authentication failed" in said
    assert SECRET not in said


WRONG = {
    "another scheme": f"mysql://u:{SECRET}@h/d",
    "no database": f"postgresql://u:{SECRET}@h",
    "a port that is none": f"postgresql://u:{SECRET}@h:port/d",
    "an @ in the password": f"postgresql://u:{SECRET}@{SECRET}@h/d",
    "the password alone": SECRET,
}


@pytest.mark.parametrize("command", ["config", "serve", "run"])
def test_a_wrong_url_is_not_repeated(place: Place, command: str) -> None:
    said = ""
    for url in WRONG.values():
        file = place.folder / "url"
        file.write_text(url)
        place.database_url, place.settings = url, {}
        said += refusal(place, command)
        # The same in a file, and in the place of a file's name.
        for given in (str(file), url):
            place.database_url = ""
            place.settings = {"MODELSERVICE_DATABASE_URL_FILE": given}
            said += refusal(place, command)

    assert said.count("MODELSERVICE_DATABASE_URL: must be ") == 2 * len(WRONG)
    assert said.count("MODELSERVICE_DATABASE_URL_FILE: cannot read the file") == len(WRONG)
    assert SECRET not in said


def refusal(place: Place, command: str) -> str:
    # Settings are read first, so that no command gets as far as to need a process.
    done = place.command(command, check=False, own_process=False)
    assert 1 == done.returncode
    return done.stdout + done.stderr


def test_a_server_warns_of_a_database_without_tls(place: Place) -> None:
    place.database_url = f"postgresql://u:{SECRET}@db.invalid/d"
    with Process(place, "serve") as process:
        process.wait_for("the database cannot be read")

    (line,) = (line for line in process.errors.splitlines() if "may be unencrypted" in line)
    assert '"level": "warning"' in line
    assert '"host": "db.invalid"' in line
    assert SECRET not in process.log


def test_a_server_on_loopback_does_not(place: Place) -> None:
    (nobody,) = free_ports(1)
    place.database_url = f"postgresql://u:{SECRET}@127.0.0.1:{nobody}/d"
    with Process(place, "serve") as process:
        process.wait_for("the database cannot be read")

    assert "unencrypted" not in process.errors

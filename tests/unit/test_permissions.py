"""Files that the service makes are their owner's alone, and those that others can reach are found."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelservice.config import load, named_files
from modelservice.edge.configuration import Edge, write_configuration
from modelservice.errors import EdgeError, FileError
from modelservice.manage.maintenance import backup, migrate, restore
from modelservice.manage.organizations import create_organization
from modelservice.manage.permissions import database_files, exposed
from modelservice.manage.setup import set_up
from modelservice.store.access import Access
from modelservice.store.database import Database
from tests.support.backups import url_of
from tests.support.holder import Holder


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["umask 000", "umask 022", "umask 077"])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.usefixtures("_umask")
def test_the_database_and_what_lies_beside_it_are_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    migrate(url_of(path))
    with Holder(path, "acme"):
        assert {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600} == modes(tmp_path)


@pytest.mark.usefixtures("_umask")
def test_so_is_one_that_a_link_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to("real.db")

    migrate(url_of(link))

    assert 0o600 == modes(tmp_path)["real.db"]


@pytest.mark.usefixtures("_umask")
def test_so_are_backups_keys_and_what_a_restore_keeps(tmp_path: Path) -> None:
    url = url_of(tmp_path / "a.db")
    set_up(url, "test", None, "acme", tmp_path / "acme.key")
    backup(url, tmp_path / "copy.db")
    restore(url, "test", tmp_path / "copy.db")
    restore(url_of(tmp_path / "new.db"), "test", tmp_path / "copy.db")

    assert 5 == len(modes(tmp_path))
    assert {0o600} == set(modes(tmp_path).values())


@pytest.mark.usefixtures("_umask")
def test_so_is_envoys_folder(tmp_path: Path) -> None:
    folder = tmp_path / "envoy"

    write_configuration(Edge(load({})), folder, folder)

    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert {0o600} == set(modes(folder).values())


def test_a_database_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    migrate(url_of(path))
    path.chmod(0o640)

    migrate(url_of(path))
    create_organization(url_of(path), "test", "acme")
    backup(url_of(path), tmp_path / "copy.db")
    restore(url_of(path), "test", tmp_path / "copy.db")

    assert 0o640 == modes(tmp_path)["a.db"]


def test_making_a_database_takes_no_lock_from_who_has_it_open(tmp_path: Path) -> None:
    # POSIX locks end when a process closes any descriptor of the file.
    path = tmp_path / "a.db"
    migrate(url_of(path))
    with Database(url_of(path), Access.WRITE).transaction():
        Database(url_of(path), Access.CREATE).allow_reads_during_writes()

        locks = Path("/proc/locks").read_text()
        assert f":{path.stat().st_ino} " in locks


def test_an_envoy_folder_keeps_what_its_operator_changed(tmp_path: Path) -> None:
    folder = tmp_path / "envoy"
    edge = Edge(load({}))
    configuration = write_configuration(edge, folder, folder)
    configuration.chmod(0o640)

    write_configuration(edge, folder, folder)

    assert 0o640 == stat.S_IMODE(configuration.stat().st_mode)


def test_a_link_in_envoys_folder_is_not_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "envoy", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "envoy.yaml").symlink_to(elsewhere)

    with pytest.raises(EdgeError, match="cannot write"):
        write_configuration(Edge(load({})), folder, folder)
    assert not elsewhere.exists()


@pytest.mark.parametrize("how", ["a link", "another user's", "a pipe"])
def test_a_key_goes_into_no_file_of_others(tmp_path: Path, how: str) -> None:
    file, elsewhere = tmp_path / "acme.key", tmp_path / "elsewhere"
    if how == "a link":
        file.symlink_to(elsewhere)
    elif how == "a pipe":
        os.mkfifo(file)
    else:
        if os.geteuid() != 0:
            pytest.skip("only root can make a file of another user")
        file.touch()
        os.chown(file, 12345, 12345)

    with pytest.raises(FileError, match=rf"^key file {file}: "):
        set_up(url_of(tmp_path / "a.db"), "test", None, "acme", file)
    assert not elsewhere.exists()
    assert how == "a pipe" or not file.exists() or not file.stat().st_size


# --- What is found ----------------------------------------------------------------------------------------------------


def made(path: Path, mode: int, owner: int = -1) -> Path:
    path.touch()
    path.chmod(mode)
    if owner >= 0 and os.geteuid() == 0:
        os.chown(path, owner, owner)
    return path


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        (0o644, "other users can read it (mode 0644): chmod 0600"),
        (0o640, "other users can read it (mode 0640): chmod 0600"),
        (0o622, "other users can write it (mode 0622): chmod 0600"),
        (0o666, "other users can read and write it (mode 0666): chmod 0600"),
    ],
)
def test_a_database_that_others_can_reach_is_found(tmp_path: Path, mode: int, sentence: str) -> None:
    url = url_of(tmp_path / "a.db")
    migrate(url)
    path = made(tmp_path / "a.db", mode)

    assert [(path, sentence)] == exposed(database_files(url), (), ())


def test_what_lies_beside_it_is_found_too(tmp_path: Path) -> None:
    url = url_of(tmp_path / "a.db")
    beside = [made(tmp_path / f"a.db{suffix}", 0o644) for suffix in ("-wal", "-shm")]

    assert set(beside) == {path for path, _ in exposed(database_files(url), (), ())}


def test_postgres_has_no_files() -> None:
    assert [] == database_files("postgresql+psycopg://h/d")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602])
def test_a_private_key_that_others_can_reach_is_found(tmp_path: Path, mode: int) -> None:
    key = made(tmp_path / "tls.key", mode, 1000)

    assert [key] == [path for path, _ in exposed((), [key], ())]


@pytest.mark.skipif(os.geteuid() != 0, reason="the file must be root's")
def test_a_key_of_roots_may_be_read_by_its_group(tmp_path: Path) -> None:
    assert [] == exposed((), [made(tmp_path / "tls.key", 0o640)], ())
    wide = made(tmp_path / "wide.key", 0o644)
    assert [(wide, "other users can read it (mode 0644): chmod 0640")] == exposed((), [wide], ())


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    made(tmp_path / "real", 0o604)
    link = tmp_path / "link"
    link.symlink_to("real")

    assert [link] == [path for path, _ in exposed((), [link], ())]


def test_certificates_may_be_read_and_not_written(tmp_path: Path) -> None:
    good, bad = made(tmp_path / "good.crt", 0o644), made(tmp_path / "bad.crt", 0o664)

    assert [(bad, "other users can write it (mode 0664): chmod 0644")] == exposed((), (), [good, bad])


def test_what_is_private_or_not_there_is_fine(tmp_path: Path) -> None:
    private = made(tmp_path / "private", 0o600)

    assert [] == exposed([private, tmp_path / "none"], [private, tmp_path / "none"], [tmp_path / "none"])


def test_the_files_that_settings_name_are_known(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("sqlite:///x.db")
    folder = "/etc/modelservice"
    environment = {
        "MODELSERVICE_DATABASE_URL_FILE": str(secret),
        "MODELSERVICE_TLS_CERTIFICATE": f"{folder}/edge.crt",
        "MODELSERVICE_TLS_KEY": f"{folder}/edge.key",
        "MODELSERVICE_GRPC_TLS_CERTIFICATE": f"{folder}/server.crt",
        "MODELSERVICE_GRPC_TLS_KEY": f"{folder}/server.key",
        "MODELSERVICE_GRPC_TLS_CLIENT_CA": f"{folder}/clients.crt",
        "MODELSERVICE_GRPC_TLS_CA": f"{folder}/ca.crt",
        "MODELSERVICE_GRPC_TLS_SERVER_NAME": "models.internal",
        "MODELSERVICE_GRPC_TLS_CLIENT_CERTIFICATE": f"{folder}/client.crt",
        "MODELSERVICE_GRPC_TLS_CLIENT_KEY": f"{folder}/client.key",
        "MODELSERVICE_JWT_ISSUERS": "https://id.example.com/",
        "MODELSERVICE_JWT_AUDIENCE": "a",
        "MODELSERVICE_JWT_JWKS": f"{folder}/jwks.json",
    }

    found = named_files(environment, load(environment))

    keys = {Path(f"{folder}/{name}.key") for name in ("edge", "server", "client")}
    public = ("edge.crt", "server.crt", "client.crt", "clients.crt", "ca.crt", "jwks.json")
    assert keys | {secret} == set(found.secrets)
    assert {Path(f"{folder}/{name}") for name in public} == set(found.trusted)

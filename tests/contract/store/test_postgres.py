"""What is Postgres's alone."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from modelservice.domain.principal import Organization
from modelservice.errors import DatabaseUnavailableError, FileError, SchemaMismatchError
from modelservice.manage.maintenance import backup, migrate, restore
from modelservice.manage.organizations import create_organization
from modelservice.store.access import Access
from modelservice.store.changes import read_changes
from modelservice.store.database import Database
from modelservice.store.postgres import BoundedConnection
from modelservice.store.writing import write
from tests.support.harness import wait_until
from tests.support.postgres import VERSIONS, Cluster


@pytest.fixture(params=VERSIONS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue(f"postgres_{request.param}")
    return found


def test_it_is_the_version_that_it_is_said_to_be(cluster: Cluster) -> None:
    ((version,),) = cluster.run_sql("SHOW server_version")

    assert version.startswith(f"{cluster.version}.")


def test_names_are_compared_as_bytes(cluster: Cluster) -> None:
    name = cluster.database().rpartition("/")[2]
    columns = cluster.run_sql(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name IN ('id', 'name', 'organization_id', 'parent_id')"
        " AND data_type = 'character varying' AND (table_name, column_name) <> ('api_keys', 'name')",
        name,
    )

    assert len(columns) >= 11
    assert {"C"} == {collation for _, _, collation in columns}


def test_readers_cannot_write_and_nothing_takes_for_ever(cluster: Cluster) -> None:
    url = cluster.database()
    shown = ("transaction_read_only", "transaction_isolation", "statement_timeout", "lock_timeout")
    with Database(url, Access.READ).transaction() as connection:
        reading = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in shown]
        idle = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    with Database(url, Access.WRITE).transaction() as connection:
        writing = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in shown]

    assert (["on", "repeatable read", "10s", "5s"], "10s") == (reading, idle)
    assert ["off", "read committed", "10s", "5s"] == writing

    def attempt() -> None:
        with write(Database(url, Access.READ), 0, "test") as change:
            change.add_organization(Organization("acme", 0))

    with pytest.raises(DatabaseUnavailableError, match="read-only transaction"):
        attempt()


def test_a_server_keeps_one_connection_and_a_command_none(cluster: Cluster) -> None:
    url = cluster.database()
    name = url.rpartition("/")[2]

    def connections() -> int:
        ((count,),) = cluster.run_sql(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'modelservice'"  # noqa: S608
        )
        return int(count)

    reader = Database(url, Access.READ, kept=True)
    for _ in range(3):
        read_changes(reader, None)
    assert 1 == connections()
    create_organization(url, "test", "acme")
    wait_until(lambda: connections() == 1, "the command's is gone")
    reader.close()
    wait_until(lambda: connections() == 0, "the server's is gone")


def test_a_refused_row_is_not_repeated(cluster: Cluster) -> None:
    url = cluster.database()
    create_organization(url, "test", "secret-name")

    def twice() -> None:
        with Database(url, Access.WRITE).transaction() as connection:
            connection.exec_driver_sql("INSERT INTO organizations SELECT * FROM organizations")

    with pytest.raises(DatabaseUnavailableError) as raised:
        twice()
    assert "duplicate key value violates unique constraint" in str(raised.value)
    for never in ("secret-name", "INSERT", "not-a-secret"):
        assert never not in str(raised.value)


def test_a_wrong_password_is_said_and_not_shown(cluster: Cluster) -> None:
    url = cluster.database().replace("not-a-secret", "another-one")

    with pytest.raises(DatabaseUnavailableError, match="password authentication failed") as raised:
        migrate(url)
    assert "another-one" not in str(raised.value)


def test_somebody_elses_database_is_not_touched(cluster: Cluster) -> None:
    url = cluster.empty(f"theirs_{cluster.version}")
    cluster.run_sql("CREATE TABLE customers (id int)", url.rpartition("/")[2])

    with pytest.raises(SchemaMismatchError, match="holds another program's tables"):
        migrate(url)
    assert [("customers",)] == cluster.run_sql(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", url.rpartition("/")[2]
    )


def test_a_backup_is_pg_dumps_and_pg_restores(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.database()
    with pytest.raises(FileError, match=r": is Postgres: back it up with pg_dump$"):
        backup(url, tmp_path / "file")
    with pytest.raises(FileError, match=r": is Postgres: restore it with pg_restore$"):
        restore(url, "test", tmp_path / "file")


def test_a_copy_that_went_on_by_itself_is_another_history(cluster: Cluster) -> None:
    url = cluster.database()
    create_organization(url, "test", "before")
    copy = cluster.empty(f"copy_of_{url.rpartition('/')[2]}", url.rpartition("/")[2])
    create_organization(url, "test", "after")
    held = read_changes(Database(url, Access.READ), None)
    assert held
    for name in ("one", "two"):
        create_organization(copy, "test", name)

    found = read_changes(Database(copy, Access.READ), held.revision)

    assert found
    assert found.complete


def test_a_database_that_hangs_is_given_up(cluster: Cluster) -> None:
    asked = threading.Event()

    def ask() -> None:
        with Database(cluster.database(), Access.READ).transaction() as connection:
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, BoundedConnection)
            driver.patience = 0.2
            asked.set()
            # It does not answer for longer than anybody waits.
            connection.exec_driver_sql("SELECT pg_sleep(60)")

    with pytest.raises(DatabaseUnavailableError, match="timeout"):
        ask()
    assert asked.is_set()


def test_nobody_listening_is_one_sentence() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://u:secret@127.0.0.1:{closed.getsockname()[1]}/d"

        with pytest.raises(DatabaseUnavailableError, match="Connection refused") as raised:
            read_changes(Database(url, Access.READ), None)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_right_that_is_missing_is_no_defect(cluster: Cluster) -> None:
    url = cluster.database()
    name = url.rpartition("/")[2]
    cluster.run_sql(f"CREATE ROLE reader_of_{name} LOGIN PASSWORD 'not-a-secret'")
    reader = Database(url.replace("//modelservice:", f"//reader_of_{name}:"), Access.READ)

    with pytest.raises(DatabaseUnavailableError, match="permission denied"):
        read_changes(reader, None)
    cluster.run_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_{name}", name)
    assert read_changes(reader, None)

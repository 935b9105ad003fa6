"""What of a database's URL is printed: no secret, wherever it is."""

from __future__ import annotations

import pytest
from psycopg import pq

from modelservice.config import load
from modelservice.database_url import printable, without_secrets
from modelservice.errors import DatabaseUnavailableError, InvalidSettingError
from modelservice.store.access import Access
from modelservice.store.database import Database

SECRET = "hunter2"  # noqa: S105
PLACES = {
    "the password": "u:{}@h:5/d",
    "an empty user": ":{}@h/d",
    "the query": "h/d?user=u&password={}",
    "the query, after others": "h/d?sslmode=require&password={}&host=a&host=b",
    "an encoded name": "h/d?p%61ssword={}",
    "an encoded name of the key's": "h/d?%73%73lpassword={}",
    "upper case": "h/d?PASSWORD={}",
    "mixed case": "h/d?SslPassword={}",
    "twice": "h/d?password={}&password={}1",
    "a key's password": "h/d?sslpassword={}",
    "a password file": "h/d?passfile={}",
    "a key of SCRAM": "h/d?scram_client_key={}",
    "a secret of OAuth": "h/d?oauth_client_secret={}",
    "a name that is mistyped": "h/d?pasword={}",
    "after an & in the password": "h/d?password=a&{}",
    "after an & in the password, as a name": "h/d?password=a&{}=b",
    "after an & in the password, as a value": "h/d?password=a&b={}",
    "both": "u:{}@h/d?password={}1",
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_printed(place: str) -> None:
    url = f"postgresql+psycopg://{PLACES[place].replace('{}', SECRET)}"

    assert SECRET not in printable(url)
    assert "***" in printable(url)
    assert printable(url) == Database(url, Access.READ).name


@pytest.mark.parametrize(
    "secret", ["p:w", "p%40w", "p%3Aw", "p;w", "p'w", 'p"w', "p[w]", "p=w", "p,w", "p%25w", "p+w", "%F0%9F%94%91"]
)
def test_an_odd_password_is_hidden_as_a_whole(secret: str) -> None:
    assert "postgresql+psycopg://u:***@h:5/d" == printable(f"postgresql+psycopg://u:{secret}@h:5/d")
    assert "postgresql+psycopg://h/d?password=***" == printable(f"postgresql+psycopg://h/d?password={secret}")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///modelservice.db",
        "sqlite:////srv/a:b@c/d.db",
        "postgresql+psycopg://h:5/d",
        "postgresql+psycopg://u@[::1]:5/d?sslmode=verify-full&sslrootcert=/ca.pem&host=a:1&host=b:2",
    ],
)
def test_what_is_no_secret_is_printed(url: str) -> None:
    assert url == printable(url)


@pytest.mark.parametrize(
    "url", ["u:p@ss@h/d", "u:5432/w@h", "u:p%00w@h/d", "h/d@e", "u:p/w@h/d", "u:p?w@h/d", "u:p#w@h/d", "u:p w@h/d"]
)
def test_a_url_that_others_read_differently_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidSettingError) as raised:
        load({"MODELSERVICE_DATABASE_URL": f"postgresql://{url}"})

    assert url not in str(raised.value)


def test_the_databases_own_words_lose_the_secrets() -> None:
    url = "postgresql+psycopg://u:p%27w@h/d?password=abc&sslpassword=abcdef&sslmode=odd&channel_binding=odd"
    said = 'invalid value "p\'w" (p%27w), "abc", "abcdef"; invalid sslmode value: "odd", abcd'

    assert 'invalid value "***" (***), "***", "***"; invalid sslmode value: "odd", abcd' == without_secrets(said, url)


def test_hosts_that_contradict_each_other_are_one_line() -> None:
    with pytest.raises(DatabaseUnavailableError, match="Can't mix 'multihost' formats") as raised:
        Database(f"postgresql+psycopg://u:{SECRET}@/d?host=a&host=b&port=5", Access.READ)

    assert SECRET not in str(raised.value)


def test_a_short_password_leaves_the_sentence_readable() -> None:
    assert "a connection refused: ***" == without_secrets("a connection refused: c", "postgresql+psycopg://u:c@h/d")


def test_every_parameter_that_libpq_hides_is_hidden() -> None:
    hidden = [one.keyword.decode() for one in pq.Conninfo.get_defaults() if one.dispchar == b"*"]

    assert {"password", "sslpassword"} <= set(hidden)
    for name in hidden:
        assert f"postgresql+psycopg://h/d?{name}=***" == printable(f"postgresql+psycopg://h/d?{name}={SECRET}")


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _nothing_from_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSSLMODE", "PGSSLROOTCERT", "PGGSSENCMODE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("db.invalid/d", "db.invalid"),
        ("192.0.2.1/d?sslmode=disable", "192.0.2.1"),
        ("192.0.2.1/d?sslmode=allow", "192.0.2.1"),
        ("[2001:db8::1]/d?sslmode=prefer", "2001:db8::1"),
        ("/d?host=127.0.0.1:1&host=db.invalid:2", "db.invalid"),
        ("localhost/d?hostaddr=192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_database_over_a_network_without_tls_is_found(url: str, host: str) -> None:
    assert host == Database(f"postgresql+psycopg://{url}", Access.READ).unencrypted_host()


@pytest.mark.parametrize(
    "url",
    [
        "db.invalid/d?sslmode=require",
        "db.invalid/d?sslmode=verify-ca",
        "db.invalid/d?sslmode=verify-full",
        "db.invalid/d?sslrootcert=system",
        "db.invalid/d?gssencmode=require",
        "127.0.0.1/d",
        "127.0.0.2/d?sslmode=disable",
        "[::1]/d",
        "localhost/d",
        "/d",
        "/d?host=/run/postgresql",
    ],
)
def test_one_with_tls_or_on_this_machine_is_not(url: str) -> None:
    assert Database(f"postgresql+psycopg://{url}", Access.READ).unencrypted_host() is None


def test_libpqs_own_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.invalid")
    assert "db.invalid" == Database("postgresql+psycopg:///d", Access.READ).unencrypted_host()

    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert Database("postgresql+psycopg:///d", Access.READ).unencrypted_host() is None


def test_a_file_has_no_network() -> None:
    assert Database("sqlite:///x.db", Access.READ).unencrypted_host() is None

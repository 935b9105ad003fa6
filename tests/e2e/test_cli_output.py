"""What commands print: on a terminal, in a pipe, and for machines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from modelservice.domain.principal import MODELS_READ
from modelservice.manage.clients import add_client
from modelservice.manage.keys import create_key, list_keys
from modelservice.manage.models import create_model
from tests.support.harness import Place
from tests.support.service import prepare
from tests.support.terminal import on_a_terminal

CLIENT = "m2m-client-test-22222222-2222-4222-8222-222222222222"
NAME = "a-model-with-a-name-that-is-longer-than-a-terminal-of-eighty-columns-is-wide-" + "x" * 20


@pytest.fixture
def filled(place: Place) -> Place:
    """A place with long ids and long texts."""
    prepare(place)
    add_client(place.database_url, "test", CLIENT, "acme")
    create_key(
        place.database_url,
        "test",
        "acme",
        scopes={MODELS_READ},
        name="the shop's key for " + "many words " * 12 + "each",
    )
    fields = {"name": NAME, "display_name": "Bot", "system_prompt": "Be kind.\nAlways.\tAnd short."}
    create_model(place.database_url, "test", "acme", "gpt-4o", fields, prompt_quota=10_000)
    return place


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "list"),
        ("clients", "list"),
        ("models", "list"),
        ("models", "list", "--organization", "acme"),
        ("audit",),
    ],
    ids=" ".join,
)
def test_a_terminal_shows_every_id_whole(filled: Place, arguments: tuple[str, ...], columns: int) -> None:
    rows = json.loads(filled.command(*arguments, "--json").stdout)
    ids = [str(row[name]) for row in rows for name in ("id", "client", "name", "subject") if row.get(name)]
    shown = on_a_terminal(filled, *arguments, columns=columns)

    words = {word for line in shown for word in line.split()}
    assert [] == [one for one in ids if " " not in one and one not in words]
    assert "…" not in "".join(shown)


def test_a_table_that_fits_is_one_and_folds_sentences_alone(filled: Place) -> None:
    shown = on_a_terminal(filled, "keys", "list", columns=150)

    header, *lines = shown
    assert ["id", "organization", "name", "scopes", "state", "created", "expires", "revoked"] == header.split()
    # Three keys; the long name takes more lines, each within its column.
    assert 3 == len([line for line in lines if line[0] != " "])
    assert len(lines) > 3
    assert all(len(line) <= 150 for line in shown)
    name = header.index("name")
    assert all(not line[:name].strip() for line in lines if line[0] == " ")


def test_a_terminal_too_narrow_for_a_table_shows_a_block_for_each_row(filled: Place) -> None:
    (first, _, _) = list_keys(filled.database_url)
    shown = on_a_terminal(filled, "keys", "list")

    assert f"id            {first.id}" == shown[0]
    assert ["organization  acme"] * 3 == [line for line in shown if line.startswith("organization")]
    assert 2 == shown.count("")


def test_a_record_on_a_terminal_is_a_line_for_each_field(filled: Place) -> None:
    shown = on_a_terminal(filled, "models", "show", NAME, "--organization", "acme")

    fields = [line.split("  ")[0] for line in shown]
    assert ["id", "name", "display name", "provider"] == fields[:4]
    assert ["name", NAME] == shown[1].split()


@pytest.mark.parametrize(
    "arguments",
    [("keys", "list"), ("models", "list", "--organization", "acme"), ("audit",), ("config",), ("catalogue", "show")],
    ids=" ".join,
)
def test_a_pipe_gets_a_line_for_each_row_and_no_padding(filled: Place, arguments: tuple[str, ...]) -> None:
    rows = json.loads(filled.command(*arguments, "--json").stdout)
    lines = filled.command(*arguments).stdout.split("\n")

    header, *others = lines[:-1]
    names = [name for name in rows[0] if name != "meaning"]
    assert names == header.split("\t")
    assert len(rows) == len(others)
    cells = [line.split("\t") for line in others]
    assert {len(names)} == {len(row) for row in cells}
    assert [] == [cell for row in cells for cell in row if cell != cell.strip() or not cell]


def test_what_would_break_a_line_is_shown_instead(filled: Place) -> None:
    keys = filled.command("keys", "list").stdout
    record = filled.command("models", "show", NAME, "--organization", "acme").stdout

    assert "the shop's key for many words" in keys
    assert "system_prompt\tBe kind.\\nAlways.\\tAnd short.\n" in record


def test_a_shell_takes_a_column(filled: Place) -> None:
    line = f"{sys.executable} -m modelservice keys list | cut -f1"
    cut = subprocess.run(["sh", "-c", line], env=filled.environment, capture_output=True, text=True, check=True)

    assert ["id", *(key.id for key in list_keys(filled.database_url))] == cut.stdout.splitlines()


def test_a_new_key_for_machines_is_json_alone(filled: Place) -> None:
    created = json.loads(filled.command("keys", "create", "--organization", "acme", "--json").stdout)
    rotated = json.loads(filled.command("keys", "rotate", created["id"], "--json").stdout)

    for made in (created, rotated):
        assert ["id", "key"] == list(made)
        assert made["key"].startswith(f"msk_{made['id']}_")


def test_a_changed_model_is_a_sentence_or_json_alone(filled: Place) -> None:
    of = ("--organization", "acme")
    create = ("models", "create", *of, "--parent", "gpt-4o", "--display-name", "B")
    said = filled.command(*create, "--name", "b").stdout
    made = json.loads(filled.command("models", "update", "b", *of, "--context-window", "5", "--json").stdout)

    assert f"created model b of organization acme: id {made['id']}\n" == said
    assert 5 == made["context_window"]
    changed = filled.command("models", "update", "b", *of, "--context-window", "6", "--description", "x").stdout
    assert "updated model b: context_window, description\n" == changed


def test_a_migration_says_where_the_schema_is(place: Place) -> None:
    assert "database: created, schema 0005\n" == place.command("migrate").stdout
    assert "database: already has schema 0005\n" == place.command("migrate").stdout

"""Characters that steer a terminal: new names have none, and what is stored or in a file is shown as escapes."""

from __future__ import annotations

import json
import sqlite3

import pytest
import yaml

from tests.support.harness import Place
from tests.support.service import prepare

# An escape sequence, as C0 and as C1; a new line; and what turns the rest of a line around.
STEERING = "\x1b[2J\x9b31m\n\u202ereversed\u2066"
SHOWN = r"\x1b[2J\x9b31m\n\u202ereversed\u2066"


@pytest.fixture
def managed(place: Place) -> Place:
    """A place whose database holds such characters: it is older than the rule."""
    prepare(place)
    # So that a description has a value before and after.
    place.command("models", "update", "gpt-4o", "--description", "new")
    with sqlite3.connect(place.folder / "test.db") as database:
        for statement in (
            """UPDATE models SET document =
            json_set(document, '$.display_name', ?1, '$.provider', ?1, '$.description', ?1) WHERE name = 'gpt-4o'""",
            """UPDATE layers SET document =
            json_set(document, '$.display_name', ?1, '$.provider', ?1, '$.description', ?1)
            WHERE source = 'documented'""",
            "UPDATE layers SET source = ?1 WHERE source = 'documented'",
            "UPDATE sources SET name = ?1 WHERE name = 'documented'",
            "UPDATE api_keys SET name = ?1",
            "UPDATE audit SET actor = ?1, subject = ?1, detail = json_object('a', ?1)",
        ):
            database.execute(statement, (STEERING,))
    database.close()
    return place


@pytest.mark.parametrize(
    "arguments",
    [
        ("catalogue", "show"),
        ("catalogue", "export"),
        ("models", "list"),
        ("models", "show", "gpt-4o"),
        ("explain", "gpt-4o"),
        ("sources", "list"),
        ("history", "gpt-4o"),
        ("diff", "--from", "1"),
        ("keys", "list"),
        ("audit",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("option", [(), ("--json",)], ids=["table", "JSON"])
def test_what_is_stored_does_not_steer_a_terminal(
    managed: Place, arguments: tuple[str, ...], option: tuple[str, ...]
) -> None:
    text = managed.command(*arguments, *option).stdout

    assert r"\u202e" in text.lower()
    # Tabs stand between columns.
    assert all(cell.isprintable() for line in text.split("\n") for cell in line.split("\t"))
    if option:
        assert json.dumps(STEERING)[1:-1] in json.dumps(json.loads(text))


def test_a_table_shows_it_as_escapes_on_one_line(managed: Place) -> None:
    text = managed.command("models", "list").stdout

    assert 11 == len(text.splitlines())
    assert SHOWN in text


def test_an_exported_file_says_the_same(managed: Place) -> None:
    exported = [
        next(
            item
            for item in load(managed.command("catalogue", "export", *option).stdout)["models"]
            if "gpt-4o" in item.values()
        )
        for load, option in ((yaml.safe_load, ()), (json.loads, ("--json",)))
    ]

    assert [STEERING, STEERING] == [item["description"] for item in exported]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("models", "update", "gpt-4o", "--display-name", STEERING), "display_name"),
        (("models", "update", "gpt-4o", "--provider", STEERING), "provider"),
        (
            ("models", "create", "--organization", "acme", "--parent", "gpt-4o", "--display-name", STEERING),
            "display_name",
        ),
        (("models", "disable", "gpt-4o", "--actor", STEERING), "actor"),
        (("keys", "create", "--organization", "acme", "--name", STEERING), "key name"),
        (("catalogue", "import", "catalogue.yaml", "--source", STEERING), "source"),
        (("catalogue", "import", "catalogue.yaml"), "model m: display_name"),
    ],
    ids=["a display name", "a provider", "a new model's name", "an actor", "a key's name", "a source", "a file's name"],
)
def test_a_new_name_has_no_such_character(managed: Place, arguments: tuple[str, ...], what: str) -> None:
    content = {"models": [{"name": "m", "display_name": STEERING, "provider": "p"}]}
    (managed.folder / "catalogue.yaml").write_text(yaml.safe_dump(content))
    before = managed.command("audit", "--json").stdout

    done = managed.command(*arguments, check=False)

    (line,) = done.stderr.splitlines()
    assert (1, "") == (done.returncode, done.stdout)
    assert line.isprintable()
    assert line.startswith(f"modelservice: {what} is ")
    assert line.endswith(": must have no control characters")
    assert before == managed.command("audit", "--json").stdout


def test_an_error_about_such_a_name_does_not_steer_a_terminal(managed: Place) -> None:
    done = managed.command("models", "show", STEERING.replace("\n", ""), check=False)

    assert (1, f"modelservice: model {SHOWN.replace(chr(92) + 'n', '')}: there is no such model\n") == (
        done.returncode,
        done.stderr,
    )


def test_a_description_may_have_lines(managed: Place) -> None:
    managed.command("models", "update", "gpt-4o", "--description", "one\n\ttwo")

    assert "one\n\ttwo" == json.loads(managed.command("models", "show", "gpt-4o", "--json").stdout)["description"]

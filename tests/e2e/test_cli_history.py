"""What was, and the way back on the command line: history, diff, as-of, revert, purge."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import Any

import pytest
import yaml

from tests.support.harness import Place
from tests.support.service import prepare
from tests.support.terminal import on_a_terminal

OF = ("--organization", "acme")
PROMPT = "Be kind to the sentinel 8d1f."


@pytest.fixture
def managed(place: Place) -> Place:
    """A place with the documented catalogue, an organization and a model of it with a system prompt."""
    prepare(place)
    bot = ("--parent", "gpt-4o", "--display-name", "Bot", "--name", "bot", "--system-prompt", PROMPT)
    place.command("models", "create", *OF, *bot)
    return place


def printed(place: Place, *arguments: str) -> Any:
    return json.loads(place.command(*arguments, "--json").stdout)


def revision(place: Place) -> str:
    """Returns the last revision."""
    return str(printed(place, "audit")[-1]["revision"])


def update(place: Place, *arguments: str) -> str:
    """Changes gpt-4o, and returns the revision of that."""
    place.command("models", "update", "gpt-4o", *arguments)
    return revision(place)


def context_window(place: Place, model: str = "gpt-4o", *arguments: str) -> int:
    return int(printed(place, "models", "show", model, *arguments)["context_window"])


def said(place: Place, *arguments: str) -> tuple[int, str]:
    """Runs a command that fails, and returns its status and the last line of what it says."""
    done = place.command(*arguments, check=False)
    assert "" == done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def test_history_is_a_row_for_each_value(managed: Place) -> None:
    number = update(managed, "--context-window", "5", "--actor", "alice")

    lines = managed.command("history", "gpt-4o").stdout.splitlines()

    assert ["revision", "time", "actor", "action", "sources", "what", "field", "before", "after"] == lines[0].split(
        "\t"
    )
    (row,) = [line.split("\t") for line in lines if line.startswith(f"{number}\t")]
    assert ["alice", "models.update", "manual", "changed", "context_window", "128000", "5"] == row[2:]


def test_history_shows_the_first_revision_in_one_row(managed: Place) -> None:
    rows = [line.split("\t") for line in managed.command("history", "gpt-4o").stdout.splitlines()[1:]]

    assert [["1", "catalogue.import", "documented", "added", "-", "-", "-"]] == [[row[0], *row[3:]] for row in rows]


def test_history_for_machines_has_every_value(managed: Place) -> None:
    rows = printed(managed, "history", "gpt-4o")

    assert {"added"} == {row["what"] for row in rows}
    assert (None, "openai") == next((row["before"], row["after"]) for row in rows if row["field"] == "provider")


def test_history_has_defaults_where_nothing_was_stated(managed: Place) -> None:
    managed.command("models", "disable", "gpt-4o")

    last = printed(managed, "history", "gpt-4o")[-1]

    assert ("enabled", True, False) == (last["field"], last["before"], last["after"])


def test_history_on_a_terminal_is_a_line_for_each_revision(managed: Place) -> None:
    number = update(managed, "--context-window", "5", "--actor", "alice")

    shown = on_a_terminal(managed, "history", "gpt-4o")

    assert shown[0].startswith("1  ")
    assert shown[0].endswith("  added  by test, catalogue.import (documented)")
    assert shown[1].startswith(f"{number}  ")
    assert ["    context_window: 128000 → 5"] == shown[2:]


def test_history_tells_of_deletions(managed: Place) -> None:
    for command in ("delete", "undelete", "delete"):
        managed.command("models", command, "bot", *OF)

    rows = [line.split("\t") for line in managed.command("history", "bot", *OF).stdout.splitlines()[1:]]

    assert ["added", "removed", "restored", "removed"] == [row[5] for row in rows]


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["table", "JSON"])
@pytest.mark.parametrize("command", [("history", "bot", *OF), ("diff", "--from", "0"), ("audit",)], ids=" ".join)
def test_prompts_are_digests(managed: Place, command: tuple[str, ...], option: tuple[str, ...]) -> None:
    managed.command("models", "update", "bot", *OF, "--system-prompt", PROMPT + " Always.")

    text = managed.command(*command, *option).stdout

    assert "sentinel" not in text
    assert text


def test_diff_is_a_row_for_each_change(managed: Place) -> None:
    begin = revision(managed)
    update(managed, "--context-window", "5")
    managed.command("models", "create", "--name", "mine", "--display-name", "Mine", "--provider", "me")
    managed.command("models", "delete", "gpt-4o-mini")

    lines = managed.command("diff", "--from", begin).stdout.splitlines()

    assert ["model", "what", "field", "before", "after"] == lines[0].split("\t")
    expected = ["gpt-4o\tchanged\tcontext_window\t128000\t5", "mine\tadded\t-\t-\t-", "gpt-4o-mini\tremoved\t-\t-\t-"]
    assert sorted(expected) == sorted(lines[1:])


def test_diff_ends_where_it_is_told(managed: Place) -> None:
    first = update(managed, "--context-window", "5")
    second = update(managed, "--context-window", "6")
    update(managed, "--context-window", "7")

    assert [(5, 6)] == [
        (row["before"], row["after"]) for row in printed(managed, "diff", "--from", first, "--to", second)
    ]


def test_a_model_is_shown_as_it_was(managed: Place) -> None:
    before = update(managed, "--context-window", "5")
    update(managed, "--context-window", "6")

    assert 5 == context_window(managed, "gpt-4o", "--as-of", before)


def test_an_organizations_model_is_shown_with_its_own_values(managed: Place) -> None:
    before = revision(managed)
    managed.command("models", "delete", "bot", *OF)

    shown = printed(managed, "models", "show", "bot", *OF, "--as-of", before)

    assert ["revision", "id", "name", "display_name", "system_prompt"] == list(shown)
    assert len(PROMPT) == shown["system_prompt"]["characters"]


def test_the_catalogue_is_exported_as_it_was(managed: Place) -> None:
    before = printed(managed, "catalogue", "export")
    update(managed, "--context-window", "5")
    managed.command("models", "delete", "gpt-4o-mini")

    number = before["revision"].partition("-")[0]

    assert before == printed(managed, "catalogue", "export", "--as-of", number)
    assert before == yaml.safe_load(managed.command("catalogue", "export", "--as-of", number).stdout)


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("models", "show", "gpt-4o", "--as-of", "99"), 1, "modelservice: revision 99: does not exist: the last is 5"),
        (("catalogue", "export", "--as-of", "99"), 1, "modelservice: revision 99: does not exist: the last is 5"),
        (("diff", "--from", "99"), 1, "modelservice: revision 99: does not exist: the last is 5"),
        (("revert", "99"), 1, "modelservice: revision 99: does not exist: the last is 5"),
        (("revert", "2"), 1, "modelservice: revision 2: changed no model and no source"),
        (
            ("models", "show", "gpt-4o", "--as-of", "1999-12-31"),
            1,
            "modelservice: model gpt-4o: there was no such model at revision 0",
        ),
        (
            ("models", "show", "gpt-4o", "--as-of", "2099-12-31"),
            2,
            "Error: Invalid value for '--as-of': '2099-12-31' is in the future",
        ),
        (
            ("catalogue", "export", "--as-of", "tomorrow"),
            2,
            (
                "Error: Invalid value for '--as-of': 'tomorrow' must be a revision, a time such as "
                "2026-11-30T12:00:00Z, or how long ago: 7d"
            ),
        ),
        (("history", "none"), 1, "modelservice: model none: there is no such model"),
        (("purge",), 2, "Error: name a MODEL or an --organization"),
        (
            ("models", "undelete", "none"),
            1,
            "modelservice: model none: there is no deleted model of this name or UUID",
        ),
        (("models", "undelete", "a", "b", "--as", "c"), 2, "Error: --as is for a single model"),
        (
            ("models", "update", "gpt-4o"),
            2,
            "Error: nothing to change: give a field's option, such as --context-window 128000, or --unset",
        ),
        (
            ("models", "update", "gpt-4o", "--context-window", "5", "--unset", "context_window"),
            2,
            "Error: --unset context_window and --context-window: only one of both",
        ),
        (
            ("models", "create", "--display-name", "X"),
            2,
            "Error: a system model needs --provider, an organization's model --organization and --parent",
        ),
        (("models", "create", "--display-name", "X", "--name", "gpt-4o", "--provider", "p"), 1,
         "modelservice: model gpt-4o: a system model has this name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(
    managed: Place, arguments: tuple[str, ...], status: int, line: str
) -> None:
    before = printed(managed, "audit")

    assert (status, line) == said(managed, *arguments)
    assert before == printed(managed, "audit")


def test_a_revert_is_a_new_change(managed: Place) -> None:
    number = update(managed, "--context-window", "5")

    done = printed(managed, "revert", number)

    assert [("gpt-4o", "context_window", 5, 128_000)] == [
        (row["model"], row["field"], row["before"], row["after"]) for row in done["changes"]
    ]
    assert ("revert", number) == tuple(printed(managed, "audit")[-1][name] for name in ("action", "subject"))


def test_a_revert_can_be_reverted(managed: Place) -> None:
    managed.command("revert", update(managed, "--context-window", "5"))

    managed.command("revert", revision(managed))

    assert 5 == context_window(managed)


def test_a_dry_run_of_a_revert_changes_nothing(managed: Place) -> None:
    number = update(managed, "--context-window", "5")

    dry = managed.command("revert", number, "--dry-run").stdout

    assert "gpt-4o\tchanged\tcontext_window\t5\t128000" == dry.splitlines()[1]
    assert "would be added 0, changed 1," in dry
    assert 5 == context_window(managed)


def test_a_revert_names_the_models_that_changed_later(managed: Place) -> None:
    number = update(managed, "--context-window", "5")
    update(managed, "--context-window", "6")

    line = f"modelservice: revision {number}: later revisions changed the same: gpt-4o"
    assert (1, line) == said(managed, "revert", number)


def test_a_revert_of_a_rank_restores_it(managed: Place) -> None:
    managed.command("sources", "set", "documented", "--rank", "900")

    managed.command("revert", revision(managed))

    assert 300 == next(row["rank"] for row in printed(managed, "sources", "list") if row["name"] == "documented")


def test_a_revert_that_removes_many_models_needs_yes(managed: Place) -> None:
    models = [{"name": f"m{number}", "display_name": "M", "provider": "p"} for number in range(30)]
    (managed.folder / "c.yaml").write_text(yaml.safe_dump({"models": models}))
    managed.command("catalogue", "import", "c.yaml")
    number = revision(managed)

    line = "modelservice: 30 of 40 system models would be removed: nothing was changed: add --yes"
    assert (1, line) == said(managed, "revert", number)
    assert 30 == printed(managed, "revert", number, "--yes")["removed"]


def test_a_purged_model_leaves_no_value(managed: Place) -> None:
    managed.command("models", "update", "bot", *OF, "--description", "sentinel-8d1f")
    managed.command("models", "delete", "bot", *OF)

    done = managed.command("purge", "bot", *OF).stdout

    assert "purged models 1, layers 3, values in rows of the audit 3\n" == done
    for command in (("history", "bot", *OF), ("audit",), ("diff", "--from", "4", "--to", "6")):
        text = managed.command(*command, "--json").stdout
        assert "sentinel" not in text
        assert "sha256" not in text


def test_a_purged_model_is_not_undeleted(managed: Place) -> None:
    managed.command("models", "delete", "bot", *OF)
    managed.command("purge", "bot", *OF)

    status, line = said(managed, "models", "undelete", "bot", *OF)

    assert 1 == status
    assert line.startswith("modelservice: model acme: bot: no source states it any longer")


def test_a_model_that_exists_is_not_purged(managed: Place) -> None:
    status, line = said(managed, "purge", "bot", *OF)

    assert 1 == status
    assert "there is no deleted model of the organization acme" in line


def test_a_deleted_organization_is_purged_as_a_whole(managed: Place) -> None:
    line = "modelservice: organization acme: exists: delete it first"
    assert (1, line) == said(managed, "purge", *OF)
    managed.command("organizations", "delete", "acme", "--cascade")

    assert 1 == printed(managed, "purge", *OF)["models"]


@pytest.mark.parametrize("days", ["x", "-1", "1.5", "36501"])
@pytest.mark.parametrize("command", [("audit",), ("models", "disable", "gpt-4o"), ("serve",)], ids=" ".join)
def test_a_retention_that_is_none_stops_with_one_line(managed: Place, days: str, command: tuple[str, ...]) -> None:
    managed.settings["MODELSERVICE_HISTORY_DAYS"] = days
    done = managed.command(*command, check=False, own_process=False)

    line = "modelservice: MODELSERVICE_HISTORY_DAYS: must be 0 to 36500\n"
    assert (1, "", line) == (done.returncode, done.stdout, done.stderr)


def test_history_ends_where_it_is_kept(managed: Place) -> None:
    with contextlib.closing(sqlite3.connect(managed.folder / "test.db")) as database, database:
        for table in ("revisions", "audit"):
            database.execute(f"UPDATE {table} SET created = created - 3 * 86400")  # noqa: S608
    managed.settings["MODELSERVICE_HISTORY_DAYS"] = "2"
    update(managed, "--context-window", "5")
    number = update(managed, "--context-window", "6")

    rows = printed(managed, "history", "gpt-4o")

    status, line = said(managed, "models", "show", "gpt-4o", "--as-of", "1")
    assert (1, True) == (status, line.startswith("modelservice: revision 1: history begins with "))
    assert [(int(number), "changed", 5, 6)] == [
        (row["revision"], row["what"], row["before"], row["after"]) for row in rows
    ][-1:]
    assert "added" not in {row["what"] for row in rows}


def test_the_audit_of_an_import_is_a_few_words(managed: Place) -> None:
    models = [{"name": f"m{number}", "display_name": "M", "provider": "p"} for number in range(500)]
    (managed.folder / "c.yaml").write_text(yaml.safe_dump({"models": [*models, {**models[0], "name": "gpt-4o"}]}))
    managed.command("catalogue", "import", "c.yaml")
    update(managed, "--context-window", "5")

    lines = managed.command("audit").stdout.splitlines()

    assert ["added 500, changed 1", "changed context_window"] == [line.split("\t")[-1] for line in lines[-2:]]
    assert 501 == len(printed(managed, "audit")[-2]["detail"]["models"])

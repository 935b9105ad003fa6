"""Somebody else's catalogue on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalogues import litellm_content, litellm_file, models_dev_file
from tests.support.harness import Place
from tests.support.service import prepare

IMPORT = ("catalogue", "import", "--format", "litellm")


@pytest.fixture
def managed(place: Place) -> Place:
    """A place with the documented catalogue and an organization."""
    prepare(place)
    return place


def printed(place: Place, *arguments: str) -> Any:
    return json.loads(place.command(*arguments, "--json").stdout)


def test_a_dry_run_shows_each_model_and_the_summary_last(managed: Place) -> None:
    file = str(litellm_file(managed.folder, litellm_content(60)))
    dry = managed.command(*IMPORT, file, "--dry-run").stdout
    assert 10 == len(printed(managed, "catalogue", "show"))

    done = managed.command(*IMPORT, file).stdout

    assert 50 == len(re.findall(r"^\S+\tadded\t-", dry, re.MULTILINE))
    assert 4 == len(re.findall(r"^\S+\tleft out: its name has a '\*'", dry, re.MULTILINE))
    entries, counts = dry.splitlines()[-2:]
    assert "60 entries: 54 mapped, 6 left out, 0 not selected" == entries
    # The documented catalogue outranks it.
    assert counts.startswith("would be added 50, changed 0, unchanged 4,")
    assert "added 50, changed 0, unchanged 4," in done
    assert [] == re.findall(r"^\S+\tadded", done.split("\nby provider")[0], re.MULTILINE)
    for text in (dry, done):
        assert ["by provider", "by field", "by reason"] == re.findall(r"^by \w+$", text, re.MULTILINE)
        assert re.search(r"^left out\t-\t1\tthe file's own example, no model\tsample_spec$", text, re.MULTILINE)
        assert re.search(r"^guessed\tdisplay_name\t54\tmissing: the id is used", text, re.MULTILINE)
    shown = printed(managed, "catalogue", "show")
    assert {"documented": 10, "litellm": 54} == {
        source: sum(source in row["sources"] for row in shown) for source in ("documented", "litellm")
    }


def test_machines_get_an_account_of_every_entry(managed: Place) -> None:
    content = litellm_content(40)
    content["bad"] = {"litellm_provider": "p", "max_input_tokens": "many"}
    file = str(litellm_file(managed.folder, content))

    done = printed(managed, *IMPORT, file, "--match", "*a*")

    counts = [done[name] for name in ("not_selected", "left_out", "added", "changed", "unchanged")]
    assert 41 == done["entries"] == sum(counts)
    assert done["not_selected"] == sum("a" not in name for name in content)
    assert 41 - done["not_selected"] == sum(row["entries"] for row in done["providers"])
    assert {
        "model": "bad",
        "provider": "p",
        "what": "left out",
        "field": "context_window",
        "reason": "max_input_tokens must be a whole number from 0 to 4294967295",
        "value": "'many'",
    } in done["findings"]
    assert done["without_place"]["supports_tool_choice"] > 0
    assert {"model": "bad", "what": "added", "field": "", "before": None, "after": None} in done["changes"]


def test_what_was_said_here_outlasts_what_others_say(managed: Place) -> None:
    managed.command("models", "update", "gpt-4o", "--context-window", "5")
    said = {"litellm_provider": "azure", "max_input_tokens": 7, "input_cost_per_token": 1e-06, "supports_vision": True}
    file = str(litellm_file(managed.folder, {"gpt-4o": said, "mine": said}))
    managed.command(*IMPORT, file)
    managed.command("models", "update", "mine", "--context-window", "6")

    text = managed.command(*IMPORT, file).stdout

    conflicts = re.findall(r"^(\S+)\tshadowed by (\w+)\t(\w+)", text, re.MULTILINE)
    assert {
        ("gpt-4o", "documented", "provider"),
        ("gpt-4o", "manual", "context_window"),
        ("gpt-4o", "documented", "cost_per_1k_tokens"),
        ("gpt-4o", "documented", "metadata"),
        ("mine", "manual", "context_window"),
    } == set(conflicts)
    origins = {
        model: {row["field"]: (row["value"], row["origin"]) for row in printed(managed, "explain", model)["fields"]}
        for model in ("gpt-4o", "mine")
    }
    assert (5, "manual") == origins["gpt-4o"]["context_window"]
    assert ("openai", "documented") == origins["gpt-4o"]["provider"]
    assert ({}, "documented") == origins["gpt-4o"]["metadata"]
    assert (6, "manual") == origins["mine"]["context_window"]
    assert (0.001, "litellm") == origins["mine"]["cost_per_1k_tokens"]
    assert ("mine", "litellm (guessed)") == origins["mine"]["display_name"]
    assert ([], "not set") == origins["mine"]["compliance"]


def test_what_a_file_brings_no_more_is_pruned_by_its_format(managed: Place) -> None:
    said = {"litellm_provider": "p"}
    managed.command(*IMPORT, str(litellm_file(managed.folder, {"old": said, "kept": said})))
    managed.command("catalogue", "import", "--format", "models.dev", str(models_dev_file(managed.folder)))

    done = printed(managed, *IMPORT, str(litellm_file(managed.folder, {"kept": said})), "--prune")

    assert (1, 1) == (done["removed"], done["unchanged"])
    assert [{"model": "old", "what": "removed", "field": "", "before": None, "after": None}] == done["changes"]
    sources = {row["name"]: row["sources"][0] for row in printed(managed, "catalogue", "show")}
    assert ("litellm", "models.dev", "models.dev") == tuple(
        sources[name] for name in ("kept", "openai/gpt-9", "groq/gpt-9")
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--format", "litellm", "--prune", "--match", "m"),
            "--prune needs the whole file: it would remove what --provider and --match leave out",
        ),
        (("--provider", "p"), "--provider and --match need --format: they do not select from our own format"),
        (
            ("--format", "other"),
            "Invalid value for '--format': 'other' is not one of 'modelservice', 'litellm', 'models.dev'.",
        ),
    ],
)
def test_options_that_make_no_sense_are_said_so(managed: Place, arguments: tuple[str, ...], line: str) -> None:
    file = litellm_file(managed.folder, {"m": {"litellm_provider": "p"}})
    done = managed.command("catalogue", "import", *arguments, str(file), check=False)

    assert (2, "", f"Error: {line}") == (done.returncode, done.stdout, done.stderr.splitlines()[-1])


def test_a_catalogue_cannot_pass_for_an_update(managed: Place) -> None:
    file = litellm_file(managed.folder, {"m": {"litellm_provider": "p"}})
    done = managed.command(*IMPORT, str(file), "--source", "manual", check=False)

    line = "modelservice: source manual: is reserved for `models update`: use another name\n"
    assert (1, "", line) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "must hold a JSON object"),
        ("{}", "holds no model in the format litellm: it is empty"),
        ('{"a": [], "b": 5}', "holds no model in the format litellm: must be an object"),
        ('{"openai": {"models": {"m": {}}}}', "holds no model in the format litellm: names no provider"),
        ("[" * 100_000, "is nested deeper than 64 levels"),
    ],
)
def test_a_file_that_is_none_is_one_line_and_removes_nothing(managed: Place, content: str, line: str) -> None:
    managed.command(*IMPORT, str(litellm_file(managed.folder, {"m": {"litellm_provider": "p"}})))
    file = litellm_file(managed.folder, content)

    done = managed.command(*IMPORT, str(file), "--prune", check=False)

    assert (1, "", f"modelservice: {file}: {line}\n") == (done.returncode, done.stdout, done.stderr)
    assert 11 == len(printed(managed, "catalogue", "show"))


def test_a_folder_is_no_file(managed: Place) -> None:
    for form in ("modelservice", "litellm", "models.dev"):
        done = managed.command("catalogue", "import", "--format", form, str(managed.folder), check=False)

        assert (1, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))


def test_what_a_file_says_does_not_reach_the_terminal_as_it_is(managed: Place) -> None:
    bad = "\x1b[31m\x9b1m\u202ep"
    content = {bad: {"litellm_provider": "p"}, "n": {"litellm_provider": bad}, "m": {"litellm_provider": "p", bad: bad}}
    file = Path(litellm_file(managed.folder, content))

    for option in ("--dry-run", "--json"):
        text = managed.command(*IMPORT, str(file), option).stdout
        assert all(cell.isprintable() for line in text.split("\n") for cell in line.split("\t"))
        assert "u202e" in text

"""Catalogue files as sources on the command line: what counts, what is shadowed, and what an import leaves alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from modelservice.cli.changes import combined
from modelservice.manage.outcome import Outcome
from tests.support.harness import Place
from tests.support.service import prepare
from tests.support.terminal import on_a_terminal

GPT_4O = {"name": "gpt-4o", "display_name": "GPT-4 Omni (latest)", "provider": "openai"}
NOTHING_CHANGED = "added 0, changed 0, unchanged {}, restored 0, removed 0, disabled 0, values shadowed 0\n"


@pytest.fixture
def managed(place: Place) -> Place:
    """A place with the documented catalogue and an organization."""
    prepare(place)
    return place


def printed(place: Place, *arguments: str) -> Any:
    return json.loads(place.command(*arguments, "--json").stdout)


def write(place: Place, name: str, *models: dict[str, Any]) -> str:
    """Writes a catalogue file, and returns its name."""
    (place.folder / name).write_text(yaml.safe_dump({"models": list(models)}))
    return name


def mine(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"name": f"mine-{number}", "display_name": "Mine", "provider": "me", **fields}


def export(place: Place) -> Any:
    """Writes `catalogue.yaml` as README does, and returns its content."""
    text = place.command("catalogue", "export").stdout
    (place.folder / "catalogue.yaml").write_text(text)
    return yaml.safe_load(text)


def write_catalogue(place: Place, content: Any) -> None:
    (place.folder / "catalogue.yaml").write_text(yaml.safe_dump(content))


def without_mark(content: Any) -> Any:
    return content["models"]


def test_an_edited_price_is_changed_and_nothing_else(managed: Place) -> None:
    before = export(managed)
    edited = yaml.safe_load(yaml.safe_dump(before))
    edited["models"][3]["cost_per_1k_tokens"] = 0.5
    write_catalogue(managed, edited)

    done = printed(managed, "catalogue", "import", "catalogue.yaml")

    assert [("gpt-3.5-turbo", "changed", "cost_per_1k_tokens", 0.002, 0.5)] == [
        tuple(row.values()) for row in done["changes"]
    ]
    assert edited["models"] == export(managed)["models"]


def test_an_edited_price_pins_no_other_field(managed: Place) -> None:
    content = export(managed)
    content["models"][0]["cost_per_1k_tokens"] = 0.5
    write_catalogue(managed, content)
    managed.command("catalogue", "import", "catalogue.yaml")

    origins = {row["field"]: row["origin"] for row in printed(managed, "explain", "gpt-4o")["fields"]}

    assert ["cost_per_1k_tokens"] == [field for field, origin in origins.items() if origin == "catalogue.yaml"]


def test_an_export_that_is_imported_unchanged_changes_nothing(managed: Place) -> None:
    export(managed)
    audit = printed(managed, "audit")

    done = managed.command("catalogue", "import", "catalogue.yaml")

    assert NOTHING_CHANGED.format(10) == done.stdout
    assert audit == printed(managed, "audit")


def test_an_export_keeps_what_changed_since(managed: Place) -> None:
    content = export(managed)
    managed.command("models", "update", "gpt-4o-mini", "--context-window", "7")
    content["models"][0]["cost_per_1k_tokens"] = 0.5
    write_catalogue(managed, content)

    done = printed(managed, "catalogue", "import", "catalogue.yaml")

    assert ["gpt-4o"] == [row["model"] for row in done["changes"]]
    assert 7 == printed(managed, "models", "show", "gpt-4o-mini")["context_window"]


def test_a_value_that_is_set_back_follows_its_source_again(managed: Place) -> None:
    content = export(managed)
    content["models"][0]["cost_per_1k_tokens"] = 0.5
    write_catalogue(managed, content)
    managed.command("catalogue", "import", "catalogue.yaml")
    content["models"][0]["cost_per_1k_tokens"] = 0.03
    write_catalogue(managed, content)

    done = printed(managed, "catalogue", "import", "catalogue.yaml")

    assert [(0.5, 0.03)] == [(row["before"], row["after"]) for row in done["changes"]]


def test_labels_of_an_export_are_edited_twice(managed: Place) -> None:
    content = export(managed)
    stated = content["models"][0]["capabilities"]
    for label in ("audio", "video"):
        content["models"][0]["capabilities"] = [*stated, label]
        write_catalogue(managed, content)
        managed.command("catalogue", "import", "catalogue.yaml")

    assert [*stated, "video"] == printed(managed, "models", "show", "gpt-4o")["capabilities"]


def test_an_export_of_another_database_is_refused(managed: Place) -> None:
    (managed.folder / "c.yaml").write_text("{revision: 3-0123456789ab, models: []}")

    done = managed.command("catalogue", "import", "c.yaml", check=False)

    (line,) = done.stderr.splitlines()
    assert (1, "") == (done.returncode, done.stdout)
    assert line.startswith("modelservice: revision 3-0123456789ab: is another database's")


def test_each_file_is_a_source_by_its_name(managed: Place) -> None:
    one, two = write(managed, "one.yaml", mine(1)), write(managed, "two.yaml", mine(2))

    managed.command("catalogue", "import", one, two)

    shown = {row["name"]: row["sources"] for row in printed(managed, "catalogue", "show")}
    assert (["one.yaml"], ["two.yaml"]) == (shown["mine-1"], shown["mine-2"])


def test_standard_input_is_a_source_too(managed: Place) -> None:
    content = yaml.safe_dump({"models": [mine()]})

    done = managed.command("catalogue", "import", "-", "--json", stdin=content)

    assert ["mine-0"] == [row["model"] for row in json.loads(done.stdout)["changes"]]
    assert ["stdin"] == printed(managed, "catalogue", "show")[-1]["sources"]


def test_of_several_files_a_bad_one_leaves_all_out(managed: Place) -> None:
    good = write(managed, "good.yaml", mine())
    bad = write(managed, "bad.yaml", {"name": "x"})

    done = managed.command("catalogue", "import", good, bad, check=False)

    assert (1, "", 2) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    assert 10 == len(printed(managed, "catalogue", "show"))


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("-", "-"), 2, "Error: standard input can be read only once"),
        (("a.yaml", "a.yaml"), 2, "Error: two files are called a.yaml: --source names one source for all files"),
        (("none.yaml",), 1, "modelservice: none.yaml: No such file or directory"),
        (("folder",), 1, "modelservice: folder: Is a directory"),
        (("a.yaml", "--source", "manual"), 1,
         "modelservice: source manual: is reserved for `models update`: use another name"),
        (("a.yaml", "--source", ""), 1, "modelservice: source has 0 characters: must have 1 to 200"),
        (("r.yaml",), 1, "modelservice: r.yaml: revision is 3: must be as `export` writes it"),
        (("r.yaml", "--format", "litellm", "-"), 2, "Error: --format litellm takes one file"),
    ],
    ids=["input twice", "a name twice", "no file", "a folder", "manual", "no source", "a revision", "two others"],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_one_line(
    managed: Place, arguments: tuple[str, ...], status: int, line: str
) -> None:
    write(managed, "a.yaml", mine())
    (managed.folder / "r.yaml").write_text("{revision: 3, models: []}")
    (managed.folder / "folder").mkdir()

    done = managed.command("catalogue", "import", *arguments, check=False)

    assert (status, "", line) == (done.returncode, done.stdout, done.stderr.splitlines()[-1])


def test_a_shadowed_value_can_fail_an_import(managed: Place) -> None:
    managed.command("models", "update", "gpt-4o", "--context-window", "5")
    file = write(managed, "c.yaml", {**GPT_4O, "context_window": 6}, mine())
    before = printed(managed, "catalogue", "export"), printed(managed, "audit")

    done = managed.command("catalogue", "import", file, "--fail-on-shadowed", check=False)

    assert (3, "values shadowed 1: nothing was changed\n") == (done.returncode, done.stderr)
    assert "gpt-4o\tshadowed by manual\tcontext_window\t5\t6\n" in done.stdout
    assert before == (printed(managed, "catalogue", "export"), printed(managed, "audit"))


def test_without_that_option_the_rest_of_the_file_is_imported(managed: Place) -> None:
    managed.command("models", "update", "gpt-4o", "--context-window", "5")
    file = write(managed, "c.yaml", {**GPT_4O, "context_window": 6}, mine())

    done = printed(managed, "catalogue", "import", file)

    assert (1, 1, False) == (done["added"], done["values_shadowed"], done["dry_run"])
    assert 11 == len(printed(managed, "catalogue", "show"))


def test_removing_many_models_needs_yes(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "c.yaml", *map(mine, range(30))))
    prune = ("catalogue", "import", write(managed, "c.yaml"), "--prune")

    refused = managed.command(*prune, check=False)

    line = "modelservice: 30 of 40 system models would be removed: nothing was changed: add --yes\n"
    assert (1, "", line) == (refused.returncode, refused.stdout, refused.stderr)
    assert 40 == len(printed(managed, "catalogue", "show"))
    assert 30 == printed(managed, *prune, "--yes")["removed"]


def test_pruning_leaves_the_models_of_other_files(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "a.yaml", mine(1)), write(managed, "b.yaml", mine(2)))

    done = printed(managed, "catalogue", "import", write(managed, "a.yaml"), "--prune")

    assert [("mine-1", "removed")] == [(row["model"], row["what"]) for row in done["changes"]]


def test_a_null_is_a_statement_and_silence_is_none(managed: Place) -> None:
    rows = printed(managed, "catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "max_tokens": None}))["changes"]

    assert [("max_tokens", 128_000, None)] == [tuple(row.values())[2:] for row in rows]


def test_labels_are_added_and_removed_one_by_one(managed: Place) -> None:
    labels = {"has": ["audio"], "lacks": ["multimodal"]}
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "capabilities": labels}))

    shown = printed(managed, "models", "show", "gpt-4o")

    assert ["audio", "text-generation", "code-generation", "reasoning"] == shown["capabilities"]


def test_only_these_labels_are_left(managed: Place) -> None:
    labels = {"has": ["audio"], "only": True}
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "capabilities": labels}))

    assert ["audio"] == printed(managed, "models", "show", "gpt-4o")["capabilities"]


def test_metadata_merges_by_key(managed: Place) -> None:
    a, b = (write(managed, f"{name}.yaml", {**GPT_4O, "metadata": {name: 1, "both": name}}) for name in "ab")
    managed.command("catalogue", "import", a, b)

    assert {"a": 1, "b": 1, "both": "a"} == printed(managed, "models", "show", "gpt-4o")["metadata"]


def test_sources_are_listed_by_rank(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "c.yaml", mine()))

    assert [
        ("manual", 1000, 0, 0),
        ("c.yaml", 500, 1, 0),
        ("documented", 300, 10, 0),
        ("models.dev", 200, 0, 0),
        ("litellm", 100, 0, 0),
    ] == [tuple(row.values()) for row in printed(managed, "sources", "list")]


def test_another_rank_changes_what_counts(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "context_window": 6}))
    dry = printed(managed, "sources", "set", "c.yaml", "--rank", "10", "--dry-run")
    assert 6 == printed(managed, "models", "show", "gpt-4o")["context_window"]

    done = printed(managed, "sources", "set", "c.yaml", "--rank", "10")

    assert [("gpt-4o", "context_window", 6, 128_000), ("source c.yaml", "rank", 500, 10)] == [
        (row["model"], row["field"], row["before"], row["after"]) for row in done["changes"]
    ]
    assert {**dry, "dry_run": False} == done
    assert 128_000 == printed(managed, "models", "show", "gpt-4o")["context_window"]


def test_the_rank_that_a_source_has_is_said_so(managed: Place) -> None:
    done = managed.command("sources", "set", "litellm", "--rank", "100")

    assert "source litellm: already has the rank 100\n" == done.stdout


def test_a_source_is_ranked_before_its_first_import(managed: Place) -> None:
    managed.command("sources", "set", "c.yaml", "--rank", "10")

    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "context_window": 6}))

    assert 128_000 == printed(managed, "models", "show", "gpt-4o")["context_window"]


def test_a_change_in_several_transactions_is_one_report() -> None:
    first = Outcome(changed={"a": {"x": (1, 2)}}, unchanged=["b"], ranks={"s": (1, 2)})
    second = Outcome(changed={"c": {"x": (3, 4)}}, unchanged=["d"])

    done = combined([first, second])

    assert (["a", "c"], ["b", "d"], {"s": (1, 2)}) == (list(done.changed), done.unchanged, done.ranks)


def test_a_withdrawal_is_a_dry_run_without_yes(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "context_window": 6}, mine()))

    dry = managed.command("sources", "withdraw", "c.yaml")

    assert ["gpt-4o\tchanged\tcontext_window\t6\t128000", "mine-0\tremoved\t-\t-\t-"] == dry.stdout.splitlines()[1:3]
    assert "nothing was changed: add --yes\n" == dry.stderr
    assert 11 == len(printed(managed, "catalogue", "show"))


def test_a_withdrawal_leaves_what_other_sources_state(managed: Place) -> None:
    before = printed(managed, "catalogue", "export")["models"]
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "context_window": 6}, mine()))

    managed.command("sources", "withdraw", "c.yaml", "--yes")

    assert before == printed(managed, "catalogue", "export")["models"]


def test_a_withdrawal_keeps_a_parent_disabled(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "c.yaml", mine()))
    managed.command("models", "create", "--organization", "acme", "--parent", "mine-0", "--display-name", "B")

    done = printed(managed, "sources", "withdraw", "c.yaml", "--yes")

    assert [("mine-0", "disabled: organizations' models inherit from it")] == [
        (row["model"], row["what"]) for row in done["changes"]
    ]
    assert printed(managed, "models", "show", "mine-0")["enabled"] is False


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("set", "a\x1bb", "--rank", "5"), "source is 'a\\x1bb': must have no control characters"),
        (("withdraw", "none"), "source none: does not exist: `modelservice sources list` shows them"),
        (
            ("withdraw", "manual", "--yes"),
            "source manual: cannot be withdrawn: `models update --unset` withdraws single values",
        ),
    ],
    ids=["rank", "withdrawal", "manual"],
)
def test_a_source_that_cannot_be_changed_is_one_line(managed: Place, arguments: tuple[str, ...], line: str) -> None:
    done = managed.command("sources", *arguments, check=False)

    assert (1, "", f"modelservice: {line}\n") == (done.returncode, done.stdout, done.stderr)


def test_explain_names_what_a_value_shadows(managed: Place) -> None:
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "context_window": 6}))
    managed.command("models", "update", "gpt-4o", "--context-window", "5")

    lines = managed.command("explain", "gpt-4o").stdout.splitlines()

    assert "context_window\t5\tmanual\tc.yaml: 6; documented: 128000" in lines


@pytest.mark.parametrize("model", ["gpt-4o", "bot"])
def test_explain_fits_one_screen(managed: Place, model: str) -> None:
    of = ("--organization", "acme")
    managed.command("models", "create", *of, "--parent", "gpt-4o", "--display-name", "B", "--name", "bot")
    managed.command("catalogue", "import", write(managed, "c.yaml", {**GPT_4O, "context_window": 6}))

    shown = on_a_terminal(managed, "explain", model, *of)

    rows = sum(-(-max(len(line), 1) // 80) for line in shown)
    assert rows <= 24, shown
    # No field is left out.
    assert [] == [row["field"] for row in printed(managed, "explain", model, *of)["fields"]
                  if row["field"] not in "\n".join(shown)]  # fmt: skip


def test_explain_cuts_long_values(managed: Place) -> None:
    managed.command("models", "update", "gpt-4o", "--metadata", json.dumps({"note": "many words " * 1_000}))

    shown = "\n".join(on_a_terminal(managed, "explain", "gpt-4o"))

    assert "…" in shown
    assert shown.count("many") < 10

"""Models, the catalogue and their reasons on the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.harness import Place

GPT_4O = {"name": "gpt-4o", "display_name": "GPT-4 Omni (latest)", "provider": "openai"}


@pytest.fixture
def managed(place: Place) -> Place:
    """A place with the documented catalogue and an organization."""
    place.command("init", "--organization", "acme", "--key-file", "key")
    return place


def printed(place: Place, *arguments: str) -> Any:
    return json.loads(place.command(*arguments, "--json").stdout)


def test_a_model_from_its_creation_to_its_end(managed: Place) -> None:
    place = managed
    of = ("--organization", "acme")
    (place.folder / "prompt.txt").write_text("Be kind.\nAlways.")
    bot = printed(
        place, "models", "create", *of, "--parent", "gpt-4o", "--display-name", "Support Bot",
        "--context-window", "1000", "--capability", "text-generation", "--no-supports-tools",
        "--metadata", '{"team": "support"}', "--system-prompt", "@prompt.txt",
    )  # fmt: skip
    name = bot["name"]

    assert name.startswith("support-bot-")
    assert (1000, ["text-generation"], False, {"team": "support"}, "Be kind.\nAlways.") == tuple(
        bot[field] for field in ("context_window", "capabilities", "supports_tools", "metadata", "system_prompt")
    )
    assert bot == printed(place, "models", "show", name, *of)
    assert "Support Bot" in place.command("models", "show", name, *of).stdout
    table = place.command("models", "list", *of).stdout.splitlines()
    assert (2, True) == (len(table), table[1].startswith(f"{name}\tSupport Bot\tgpt-4o\t"))

    changed = printed(place, "models", "update", name, *of, "--display-name", "Bot", "--inherit", "context_window")
    assert ("Bot", 128_000) == (changed["display_name"], changed["context_window"])
    again = place.command("models", "update", name, *of, "--display-name", "Bot").stdout
    assert f"model {name}: already has these values\n" == again
    assert f"disabled model {name}\n" == place.command("models", "disable", name, *of).stdout
    assert f"model {name}: is already disabled\n" == place.command("models", "disable", name, *of).stdout
    assert printed(place, "models", "show", name, *of)["enabled"] is False
    place.command("models", "enable", name, *of)
    assert printed(place, "models", "show", name, *of)["enabled"] is True

    assert f"deleted model {name}: id {bot['id']}\n" == place.command("models", "delete", name, *of).stdout

    assert [] == printed(place, "models", "list", *of)
    actions = [row["action"] for row in printed(place, "audit")][-5:]
    assert ["models.create", "models.update", "models.update", "models.update", "models.delete"] == actions


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--parent", "gpt-4o", "--display-name", "x" * 201, "--name", "b"),
            "model b: display_name has 201 characters: must have 1 to 200",
        ),
        (
            ("--parent", "gpt-4o", "--display-name", "B", "--name", "b", "--context-window", "200000"),
            "model b: context_window is 200000: must be at most 128000, gpt-4o's",
        ),
        (
            ("--parent", "gpt-4o", "--display-name", "B", "--metadata", "x"),
            "metadata: is not JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        (
            ("--parent", "gpt-4o", "--display-name", "B", "--metadata", "[" * 100_000),
            "metadata: is nested deeper than 64 levels",
        ),
        (
            ("--parent", "gpt-4o", "--display-name", "B", "--name", "b", "--metadata", "[]"),
            "model b: metadata: must be a JSON object",
        ),
        (
            ("--parent", "gpt-4o", "--display-name", "B", "--system-prompt", "@none"),
            "system_prompt: none: No such file or directory",
        ),
        (("--parent", "x", "--display-name", "B"), "parent x: there is no such system model"),
    ],
)
def test_what_is_wrong_with_a_model_is_one_line(managed: Place, arguments: tuple[str, ...], line: str) -> None:
    done = managed.command("models", "create", "--organization", "acme", *arguments, check=False)

    assert (1, "", f"modelservice: {line}\n") == (done.returncode, done.stdout, done.stderr)


def test_the_catalogue_as_a_file(managed: Place) -> None:
    place = managed
    exported = place.command("catalogue", "export").stdout
    file = place.folder / "catalogue.yaml"
    file.write_text(exported)
    assert printed(place, "catalogue", "export") == yaml.safe_load(exported)

    assert "added 0, changed 0, unchanged 10" in place.command("catalogue", "import", str(file)).stdout
    content = yaml.safe_load(exported)
    content["models"][0]["description"] = "Sees and reads"
    content["models"].append({"name": "mine", "display_name": "Mine", "provider": "me"})
    file.write_text(yaml.safe_dump(content))
    dry = place.command("catalogue", "import", str(file), "--dry-run").stdout
    assert "would be added 1, changed 1, unchanged 9" in dry
    assert 10 == len(printed(place, "catalogue", "show"))
    table = place.command("catalogue", "import", str(file), "--source", "ours").stdout
    assert ["mine", "added"] == table.splitlines()[1].split()[:2]
    assert "gpt-4o" in table
    assert "Sees and reads" in table

    shown = {row["name"]: row for row in printed(place, "catalogue", "show")}
    assert (["ours", "documented"], ["ours"]) == (shown["gpt-4o"]["sources"], shown["mine"]["sources"])
    pruned = printed(place, "catalogue", "import", str(file), "--source", "ours", "--prune")
    assert [] == pruned["changes"]
    file.write_text("models: []")
    pruned = printed(place, "catalogue", "import", str(file), "--source", "ours", "--prune")
    assert [("gpt-4o", "changed"), ("mine", "removed")] == [(row["model"], row["what"]) for row in pruned["changes"]]


def test_an_update_is_named_by_the_imports_that_it_outlasts(managed: Place) -> None:
    file = managed.folder / "c.yaml"
    file.write_text(yaml.safe_dump({"models": [{**GPT_4O, "context_window": 128_000}]}))
    managed.command("models", "update", "gpt-4o", "--context-window", "5", "--actor", "alice")

    rows = printed(managed, "catalogue", "import", str(file))["changes"]

    assert [
        {
            "model": "gpt-4o",
            "what": "shadowed by manual",
            "field": "context_window",
            "before": 5,
            "after": 128_000,
        }
    ] == rows
    assert "alice" in [row["actor"] for row in printed(managed, "audit", "--since", "1h")]


def test_every_bad_entry_of_a_file_is_a_line(managed: Place) -> None:
    file = managed.folder / "bad.yaml"
    file.write_text("models: [{name: a b, display_name: A, provider: p}, {name: c}, {name: d, speed: 5}]")
    done = managed.command("catalogue", "import", str(file), check=False)

    assert (1, "") == (done.returncode, done.stdout)
    assert 6 == len(done.stderr.splitlines())
    assert "model c: display_name: is missing" in done.stderr
    assert "model d: speed: there is no such field" in done.stderr


def test_a_file_cannot_pass_for_an_update(managed: Place) -> None:
    file = managed.folder / "c.yaml"
    file.write_text("models: []")
    done = managed.command("catalogue", "import", str(file), "--source", "manual", check=False)

    line = "modelservice: source manual: is reserved for `models update`: use another name\n"
    assert (1, "", line) == (done.returncode, done.stdout, done.stderr)


def test_a_file_outranks_the_documented_catalogue(managed: Place) -> None:
    file = managed.folder / "c.yaml"
    file.write_text(yaml.safe_dump({"models": [{**GPT_4O, "context_window": 7}]}))

    (row,) = printed(managed, "catalogue", "import", str(file))["changes"]

    assert ("changed", "context_window", 128_000, 7) == tuple(row.values())[1:]


def test_explain_shows_the_rule_and_the_origins(managed: Place) -> None:
    create = ("models", "create", "--organization", "acme", "--parent", "gpt-4o", "--display-name", "B", "--name", "b")
    managed.command(*create)
    text = managed.command("explain", "b", "--organization", "acme").stdout
    (key,) = printed(managed, "keys", "list")

    rule = "visible: it belongs to acme, which the caller reads for"
    assert text.startswith(f"{rule}\n\nfield\tvalue\torigin\tshadowed\n")
    assert "inherited from gpt-4o (documented)" in text
    assert printed(managed, "explain", "b", "--key-id", key["id"])["visible"] is True
    assert (
        "not visible: it belongs to acme, but the caller reads for no organization"
        in managed.command("explain", "b").stdout
    )
    both = managed.command("explain", "b", "--organization", "acme", "--key-id", key["id"], check=False)
    assert 2 == both.returncode


def test_the_schema_is_printed(managed: Place) -> None:
    assert (
        "https://json-schema.org/draft/2020-12/schema"
        == json.loads(managed.command("catalogue", "schema").stdout)["$schema"]
    )


def test_a_key_is_rotated_and_both_work_for_a_while(managed: Place) -> None:
    old = (managed.folder / "key").read_text().split("_")[1]
    rotated = managed.command("keys", "rotate", old, "--overlap", "24h")
    new = rotated.stdout

    keys = {key["id"]: key for key in printed(managed, "keys", "list")}
    said = f"created key {new.split('_')[1]} in place of {old}, which expires at {keys[old]['expires']}\n"
    assert said == rotated.stderr
    assert {old, new.split("_")[1]} == keys.keys()
    assert {"active"} == {key["state"] for key in keys.values()}
    assert keys[old]["expires"] is not None

"""Models that commands change, delete and bring back, and that services serve so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.harness import Place, wait_until
from tests.support.service import Service, prepare, running

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


@pytest.mark.parametrize("option", ["--unset", "--inherit"])
def test_an_unset_field_is_what_other_sources_state(managed: Place, option: str) -> None:
    update(managed, "--context-window", "5")

    done = managed.command("models", "update", "gpt-4o", option, "context_window").stdout

    assert "updated model gpt-4o: context_window\n" == done
    assert 128_000 == context_window(managed)


def test_unsetting_what_was_never_set_is_said_so(managed: Place) -> None:
    done = managed.command("models", "update", "gpt-4o", "--unset", "context_window").stdout

    assert "model gpt-4o: no command has set context_window\n" == done


def test_setting_the_value_that_counts_pins_it(managed: Place) -> None:
    done = managed.command("models", "update", "gpt-4o", "--context-window", "128000").stdout
    again = managed.command("models", "update", "gpt-4o", "--context-window", "128000").stdout

    assert "model gpt-4o: no value changes, but imports no longer change these\n" == done
    assert "model gpt-4o: already has these values\n" == again


def test_a_command_takes_several_models(managed: Place) -> None:
    names = ("gpt-4o", "gpt-4-turbo")

    said = managed.command("models", "update", *names, "--context-window", "5").stdout
    made = printed(managed, "models", "update", *names, "--context-window", "6")

    assert [f"updated model {name}: context_window" for name in names] == said.splitlines()
    assert [(name, 6) for name in names] == [(model["name"], model["context_window"]) for model in made]


def test_of_several_models_a_wrong_one_leaves_all_unchanged(managed: Place) -> None:
    line = "modelservice: model none: there is no such model"

    assert (1, line) == said(managed, "models", "update", "gpt-4o", "none", "--context-window", "5")
    assert 128_000 == context_window(managed)


def test_a_model_that_is_named_twice_is_changed_once(managed: Place) -> None:
    uuid = printed(managed, "models", "show", "gpt-4o")["id"]

    done = managed.command("models", "update", "gpt-4o", uuid, "--context-window", "5").stdout

    assert "updated model gpt-4o: context_window\n" == done


def test_a_value_that_does_not_count_is_said_so(managed: Place) -> None:
    managed.command("sources", "set", "documented", "--rank", "2000")

    done = managed.command("models", "update", "gpt-4o", "--context-window", "5").stdout

    assert "model gpt-4o: no value changes: other sources outrank commands in context_window\n" == done


def test_deleting_much_of_the_catalogue_needs_yes(managed: Place) -> None:
    names = ("gpt-4o-mini", "gpt-4-turbo")

    line = "modelservice: 2 of 10 system models would be removed: nothing was changed: add --yes"
    assert (1, line) == said(managed, "models", "delete", *names)
    assert 2 == len(managed.command("models", "delete", *names, "--yes").stdout.splitlines())


def test_models_of_organizations_are_no_part_of_the_catalogue(managed: Place) -> None:
    managed.command("models", "create", *OF, "--parent", "gpt-4o", "--display-name", "Other", "--name", "other")

    assert 2 == len(managed.command("models", "delete", "bot", "other", *OF).stdout.splitlines())


def test_a_system_model_is_created_by_a_command(managed: Place) -> None:
    made = printed(managed, "models", "create", "--name", "mine", "--display-name", "Mine", "--provider", "me")

    assert ("mine", "me", None) == (made["name"], made["provider"], made["organization_id"])
    assert ["manual"] == printed(managed, "catalogue", "show")[-1]["sources"]


def test_an_import_does_not_bring_a_deleted_model_back(managed: Place) -> None:
    file = managed.folder / "c.yaml"
    file.write_text("models: [{name: gpt-4o-mini, display_name: Mini, provider: openai}]")
    managed.command("models", "delete", "gpt-4o-mini")

    done = printed(managed, "catalogue", "import", "c.yaml")

    assert [("gpt-4o-mini", "stays deleted: `modelservice models undelete` brings it back")] == [
        (row["model"], row["what"]) for row in done["changes"]
    ]
    assert 9 == len(printed(managed, "catalogue", "show"))


def test_an_undeleted_model_has_its_uuid_and_values(managed: Place) -> None:
    before = printed(managed, "models", "show", "gpt-4o-mini")
    managed.command("models", "delete", "gpt-4o-mini")

    done = managed.command("models", "undelete", "gpt-4o-mini").stdout

    assert f"restored model gpt-4o-mini: id {before['id']}\n" == done
    assert before == printed(managed, "models", "show", "gpt-4o-mini") | {"updated": before["updated"]}


def test_an_undeleted_prompt_is_named_as_lost(managed: Place) -> None:
    managed.command("models", "delete", "bot", *OF)

    done = managed.command("models", "undelete", "bot", *OF)

    assert "acme: bot: system_prompt: is not in the history, which has only its digest: set it again\n" == done.stderr
    assert printed(managed, "models", "show", "bot", *OF)["system_prompt"] is None


def test_a_name_that_is_taken_needs_another(managed: Place) -> None:
    uuid = printed(managed, "models", "show", "bot", *OF)["id"]
    managed.command("models", "delete", "bot", *OF)
    managed.command("models", "create", *OF, "--parent", "gpt-4o", "--display-name", "Other", "--name", "bot")

    line = "modelservice: model bot: the organization acme has a model of this name"
    assert (1, line) == said(managed, "models", "undelete", "bot", *OF)
    assert (
        f"restored model old-bot: id {uuid}\n"
        == managed.command("models", "undelete", "bot", *OF, "--as", "old-bot").stdout
    )


def test_a_parent_is_not_deleted_before_its_children(managed: Place) -> None:
    line = "modelservice: model gpt-4o: 1 models of organizations inherit from it"

    assert (1, line) == said(managed, "models", "delete", "gpt-4o")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own: its models change."""
    with running(tmp_path_factory.mktemp("history")) as one:
        yield one


def test_a_revert_is_served(service: Service) -> None:
    place, key = service.place, service.keys.reader

    def served() -> int:
        return int(place.rest("/v1/models/gpt-4o", key).json["contextWindow"])

    number = update(place, "--context-window", "5")
    wait_until(lambda: served() == 5, "the change is served")
    place.command("revert", number)
    wait_until(lambda: served() == 128_000, "the revert is served")


def test_an_undeleted_model_is_served_under_its_uuid(service: Service) -> None:
    place, key = service.place, service.keys.reader
    before = place.rest("/v1/models/gpt-4o-mini", key).json

    place.command("models", "delete", "gpt-4o-mini")
    wait_until(lambda: place.rest("/v1/models/gpt-4o-mini", key).status == 404, "the model is gone")
    place.command("models", "undelete", "gpt-4o-mini")
    wait_until(lambda: place.rest(f"/v1/models/{before['id']}", key).status == 200, "the model is back")

    after = place.rest("/v1/models/gpt-4o-mini", key).json
    assert before == after | {"updatedAt": before["updatedAt"]}

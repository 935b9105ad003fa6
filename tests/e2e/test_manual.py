"""The commands and programs of README and docs/ run, and give the answers that are shown."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.examples import settings
from tests.support.catalogues import litellm_content, litellm_file, models_dev_file
from tests.support.harness import DEADLINE, ROOT, Place, Process, wait_until
from tests.support.manual import at, blocks, rows
from tests.support.service import Service, prepare

COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
# Each of them is run by a test.
RUN_HERE = [line for line in COMMANDS if line.startswith(("curl ", "modelservice ", "export "))]
CURLS = [line for line in RUN_HERE if line.startswith("curl ")]
RUN_ELSEWHERE = {
    "make run": "test_make_run_on_a_fresh_clone",
    "make test": "what runs this",
    "envoy -c envoy.yaml --disable-hot-restart": "test_edge.py: test_the_source_works_as_it_stands",
}


def test_every_command_is_run() -> None:
    in_test_stubs = {line for line in COMMANDS if line.startswith(("npm install ", "npx "))}

    assert set(COMMANDS) == set(RUN_HERE) | in_test_stubs | RUN_ELSEWHERE.keys()


def test_the_request_has_the_answer_shown(service: Service) -> None:
    (answer,) = blocks("json")

    assert json.loads(answer) == json.loads(curl(service, CURLS[0], service.place.folder))


def test_the_conditional_request_has_nothing_new(service: Service, tmp_path: Path) -> None:
    first, again = (line for line in CURLS if "list.etag" in line)

    assert "" == curl(service, first, tmp_path)
    assert (tmp_path / "list.etag").read_text().startswith('W/"')
    assert len(json.loads((tmp_path / "list.json").read_text())["data"]) >= 10
    assert "" == curl(service, again, tmp_path)
    (tmp_path / "list.etag").write_text('W/"other"')
    assert json.loads(curl(service, again, tmp_path)) == json.loads((tmp_path / "list.json").read_text())


def test_the_searches_find_models(service: Service, tmp_path: Path) -> None:
    both, cheap = (json.loads(curl(service, line, tmp_path)) for line in CURLS if "?" in line)

    assert [{"multimodal", "reasoning"}] == [
        {"multimodal", "reasoning"} & set(model["cloakr_metadata"]["capabilities"]) for model in both["data"]
    ]
    assert {"object", "data", "next_page_token"} >= cheap.keys()
    assert 3 == len(cheap["data"])


def test_the_openapi_document_is_served(service: Service) -> None:
    (line,) = (line for line in CURLS if line.endswith("/openapi.json"))

    assert (ROOT / "src/modelservice/edge/openapi.json").read_text() == curl(service, line, service.place.folder)


def curl(service: Service, line: str, folder: Path) -> str:
    """Runs a documented line in a folder, and returns what it prints."""
    command = shlex.split(at(service.place, line).replace("$KEY", service.keys.reader))
    return subprocess.run([*command, "-s"], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("program", blocks("python"), ids=["cloakrai", "the OpenAI SDK", "gRPC"])
def test_the_programs_run(service: Service, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", at(service.place, program)],
        env=os.environ | {"KEY": service.keys.reader} | settings(service),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "laude" in done.stdout


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("sources set", ("--rank", "5", "litellm")),
        ("sources withdraw", ("documented",)),
        ("history", ("gpt-4o",)),
        ("diff", ("--from", "0")),
        ("explain", ("gpt-4o",)),
        ("sources list", ()),
        ("audit", ()),
        ("purge", ("gpt-4o-mini",)),
    ],
)
def test_json_has_the_members_that_are_named(place: Place, command: str, arguments: tuple[str, ...]) -> None:
    prepare(place)
    place.command("models", "delete", "gpt-4o-mini")
    (text,) = [cells[1] for cells in rows("catalogue.md", "command with `--json`") if f"`{command}`" in cells[0]]

    printed = json.loads(place.command(*command.split(), *arguments, "--json").stdout)

    one = printed[0] if isinstance(printed, list) else printed
    lists = [value for value in one.values() if isinstance(value, list)]
    within = {name for items in lists for item in items if isinstance(item, dict) for name in item}
    assert {*one, *within} <= set(re.findall(r"`(\w+)`", text))


@pytest.mark.slow
def test_the_commands_run_in_the_order_of_the_pages(place: Place) -> None:
    litellm_file(place.folder, litellm_content(50)).rename(place.folder / "model_prices_and_context_window.json")
    models_dev_file(place.folder)
    environment = place.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in blocks("sh"):
        lines = [line for line in block.splitlines() if line.startswith(("modelservice ", "export "))]
        # What a block exports is a configuration, which is good when a command takes it.
        script = "\n".join(["set -e", *(line for line in lines if line != "modelservice run"), "modelservice config"])
        done = subprocess.run(script, shell=True, env=environment, cwd=place.folder, capture_output=True, check=False)  # noqa: S602
        # A key is alone on standard output; what was done is said beside it.
        said = [line for line in done.stderr.splitlines() if not line.startswith(b"created key ")]
        assert (0, []) == (done.returncode, said), block
    with Process(place, "run") as process:
        process.wait_for("ready: ")
        key = (place.folder / "acme.key").read_text().strip()
        assert 32_000 == place.rest("/v1/models/support-bot", key).json["contextWindow"]

    keys = json.loads(place.command("keys", "list", "--json").stdout)
    assert {("acme", "web shop"), ("acme", "init: acme.key")} == {(key["organization"], key["name"]) for key in keys}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_make_run_on_a_fresh_clone(tmp_path: Path) -> None:
    """The main job: a clone of what is committed, one command, and both documents' requests are answered."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    place = Place(tmp_path)
    with (tmp_path / "make.out").open("w+b") as out:
        make = subprocess.Popen(
            ["make", "run", f"PYTHON={sys.executable}"],
            cwd=clone,
            # No more than a new machine has: not this one's virtual environment.
            env=place.environment | {"PATH": os.pathsep.join(system_path())},
            stdout=out,
            stderr=out,
            process_group=0,
        )
        try:
            log = tmp_path / "make.out"
            wait_until(
                lambda: "\nready: " in log.read_text() or make.poll() is not None, lambda: log.read_text()[-3000:], 550
            )
            (key,) = re.findall(r"Bearer (msk_\w+)", log.read_text())
            assert 10 == len(place.rest("/v1/models", key).json["data"])
            assert "gpt-4o" == place.rest("/v1/models/gpt-4o", key).json["modelName"]
            assert 401 == place.rest("/v1/models").status
        finally:
            # As a terminal's Ctrl-C: to make and all that it started.
            os.killpg(make.pid, signal.SIGINT)
            make.wait(DEADLINE)
    wait_until(lambda: not place.ready(), "nothing is left running")
    assert '"stopped"' in log.read_text()


def system_path() -> list[str]:
    tools = {str(Path(found).parent) for tool in ("make", "git", "sh", "sed") if (found := shutil.which(tool))}
    return sorted(tools)

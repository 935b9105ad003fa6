"""README's commands run, its answer is the service's, and its tables are the code's."""

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
import yaml

from modelservice import errors
from modelservice.cli import _COMMANDS
from modelservice.config import SETTINGS
from modelservice.rpc.status import STATUS_CODES
from modelservice.v1 import model_service_pb2 as pb
from tests.catalogues import litellm_content, litellm_file, models_dev_file
from tests.conftest import Service
from tests.harness import DEADLINE, ROOT, Place, Process, wait_until

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def at(place: Place, text: str) -> str:
    """Puts a place's addresses in the stead of the documented ones."""
    return text.replace("127.0.0.1:8080", place.http).replace("127.0.0.1:50051", place.grpc)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
# Each of them is run by a test.
RUN_HERE = [line for line in COMMANDS if line.startswith(("curl ", "modelservice ", "export "))]
CURLS = [line for line in RUN_HERE if line.startswith("curl ")]
RUN_ELSEWHERE = {
    "make run": "test_make_run_on_a_fresh_clone",
    "make test": "what runs this",
    "envoy -c envoy.yaml --disable-hot-restart": "test_edge.py: test_the_source_works_as_it_stands",
}


def test_every_command_of_readme_is_run() -> None:
    assert set(COMMANDS) == set(RUN_HERE) | RUN_ELSEWHERE.keys()


def test_its_request_has_its_answer(service: Service) -> None:
    (answer,) = blocks("json")

    assert json.loads(answer) == json.loads(curl(service, CURLS[0], service.place.folder))


def test_its_conditional_request_has_nothing_new(service: Service, tmp_path: Path) -> None:
    first, again = (line for line in CURLS if "list.etag" in line)

    assert "" == curl(service, first, tmp_path)
    assert (tmp_path / "list.etag").read_text().startswith('W/"')
    assert len(json.loads((tmp_path / "list.json").read_text())["data"]) >= 10
    assert "" == curl(service, again, tmp_path)
    (tmp_path / "list.etag").write_text('W/"other"')
    assert json.loads(curl(service, again, tmp_path)) == json.loads((tmp_path / "list.json").read_text())


def test_its_searches_find_models(service: Service, tmp_path: Path) -> None:
    both, cheap = (json.loads(curl(service, line, tmp_path)) for line in CURLS if "?" in line)

    assert [{"multimodal", "reasoning"}] == [
        {"multimodal", "reasoning"} & set(model["cloakr_metadata"]["capabilities"]) for model in both["data"]
    ]
    assert {"object", "data", "next_page_token"} >= cheap.keys()
    assert 3 == len(cheap["data"])


def test_its_parameters_are_the_codes() -> None:
    (table,) = re.findall(r"^\| parameter \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    rows = [row.split(" | ") for row in table.splitlines()]
    fields = pb.ListModelsRequest.DESCRIPTOR.fields_by_name

    assert sorted(fields) == sorted(name for row in rows for name in re.findall(r"`(\w+)`", row[0]))
    for row in rows:
        for name in re.findall(r"`(\w+)`", row[0]):
            assert ("several times |" if fields[name].is_repeated else "once |") == row[-1]


def test_its_document_is_there(service: Service) -> None:
    (line,) = (line for line in CURLS if line.endswith("/openapi.json"))

    assert (ROOT / "src/modelservice/edge/openapi.json").read_text() == curl(service, line, service.place.folder)


def curl(service: Service, line: str, folder: Path) -> str:
    """Runs a line of README's in a folder, and returns what it prints."""
    command = shlex.split(at(service.place, line).replace("$KEY", service.keys.reader))
    return subprocess.run([*command, "-s"], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("program", blocks("python"), ids=["the OpenAI SDK", "gRPC"])
def test_its_programs_run(service: Service, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", at(service.place, program)],
        env=os.environ | {"KEY": service.keys.reader},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "laude" in done.stdout


def test_its_commands_run_in_their_order(place: Place) -> None:
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


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert links
    assert [] == [link for link in links if "://" not in link and not (ROOT / link).exists()]


def test_it_names_every_command() -> None:
    named = " ".join(row[0] for row in rows("command"))

    assert set(_COMMANDS) == set(re.findall(r"`modelservice ([a-z-]+)", named))


def rows(heading: str) -> list[list[str]]:
    """Returns the cells of the table that begins with a heading."""
    (table,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_its_settings_are_the_codes() -> None:
    expected = [
        [
            f"`{setting.name}`",
            f"`{setting.default}`" if setting.default else "",
            setting.unit,
            setting.bounds,
            setting.meaning,
        ]
        for setting in SETTINGS
    ]

    assert expected == rows("setting")


def test_its_errors_are_the_codes() -> None:
    by_code = {row[0].strip("`"): row for row in rows("code")}

    assert {kind.code for kind in errors.REFUSALS} == by_code.keys()
    for kind in errors.REFUSALS:
        _, family, http_status, status, _ = by_code[kind.code]
        assert kind.type == family.strip("`")
        assert http_status == "–" or str(kind.http_status) in http_status
        assert (STATUS_CODES[kind].name if kind in STATUS_CODES else "–") == status


def test_its_limits_are_envoys() -> None:
    text = (ROOT / "envoy.yaml").read_text()
    assert "# request.total_size - request.size > 32768 ||" in text
    assert '# size(request.headers) > ("content-length" in request.headers ? 101 : 100)' in text
    assert ["32768", "101", "100"] == re.findall(r"int64_value: (\d+)", text)
    assert "32 KB together, 100 headers" in README
    assert "answers = 10000, bytes = 16777216" in text
    assert "10,000 answers and 16 MB at most" in README
    settings = yaml.safe_load(text)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]

    assert "max_request_bytes: 65536" in text
    assert "Body or message: 64 KB" in README
    assert f"Request headers within {settings['request_headers_timeout'].removesuffix('s')} seconds" in README
    assert f"Envoy waits for\n  them itself, {settings['request_timeout'].removesuffix('s')} seconds" in README


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

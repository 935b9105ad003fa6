"""README and docs/ are complete, their links lead somewhere, and what they state is what the code has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from cloakrai.v1 import model_service_pb2 as pb
from manual.pages import with_tables
from modelservice.config import SETTINGS
from tests.support.harness import ROOT
from tests.support.manual import DOCS, PAGES, README, anchors, links, page, prose, rows

NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
each_page = pytest.mark.parametrize("path", PAGES, ids=NAMES)


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 180


def test_the_readme_lists_every_page() -> None:
    assert {README, *DOCS.glob("*.md")} == set(PAGES)


@each_page
def test_every_link_leads_somewhere(path: Path) -> None:
    local = [link.partition("#") for link in links(path) if "://" not in link]
    targets = [((path.parent / file).resolve() if file else path, anchor) for file, _, anchor in local]

    assert [] == [str(target) for target, _ in targets if not target.exists()]
    assert [] == [(target.name, anchor) for target, anchor in targets if anchor and anchor not in anchors(target)]


@each_page
def test_every_setting_that_is_named_exists(path: Path) -> None:
    known = {setting.name + suffix for setting in SETTINGS for suffix in ("", "_FILE")}

    assert set() == set(re.findall(r"MODELSERVICE_[A-Z_]*[A-Z]\b(?![_…])", path.read_text())) - known


@each_page
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set() == set(re.findall(r"`make ([a-z-]+)", path.read_text())) - set(targets)


def test_the_picture_is_an_image() -> None:
    assert ET.parse(DOCS / "architecture.svg").getroot().tag.endswith("}svg")  # noqa: S314  (our own file)


def test_the_generated_tables_are_what_the_code_says(tmp_path: Path) -> None:
    done = generate(DOCS, tmp_path)

    assert "" == done.stderr
    assert {path.name: path.read_text() for path in DOCS.glob("*.md")} == {
        path.name: path.read_text() for path in tmp_path.glob("*.md")
    }


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ("<!-- generated: settings * -->\n", "a marker is malformed, or `<!-- end -->` is missing"),
        ("<!-- generated: Settings -->\n<!-- end -->\n", "a marker is malformed, or `<!-- end -->` is missing"),
        ("<!-- generated: commands -->\n<!-- end -->\n", "unknown table commands: must be one of settings"),
    ],
)
def test_a_marker_that_cannot_be_used_is_an_error(marker: str, problem: str) -> None:
    with pytest.raises(SystemExit, match=rf"^docs/a\.md: {problem}$"):
        with_tables("a.md", marker, {"settings": lambda _: [["setting"]]})


@pytest.mark.parametrize(
    ("patterns", "problem"),
    [
        ("log_*", "docs: setting database_url is in 0 tables: must be in one\n"),
        ("* database_url", "docs: setting database_url is in 2 tables: must be in one\n"),
        ("* nothing_*", "docs: nothing_* matches no setting\n"),
    ],
)
def test_every_setting_is_in_exactly_one_table(tmp_path: Path, patterns: str, problem: str) -> None:
    (tmp_path / "a.md").write_text(f"<!-- generated: settings {patterns} -->\n<!-- end -->\n")

    assert problem == generate(tmp_path, tmp_path / "out").stderr


def test_make_check_compares_the_tables() -> None:
    done = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "diff -r -x '*.svg' docs .venv/generated/docs" in done.stdout


def test_the_parameters_are_the_codes() -> None:
    fields = pb.ListModelsRequest.DESCRIPTOR.fields_by_name
    documented = [(re.findall(r"`(\w+)`", row[0]), row[-1]) for row in rows("api.md", "parameter")]

    assert sorted(fields) == sorted(name for names, _ in documented for name in names)
    for names, how_often in documented:
        assert {"several times" if fields[name].is_repeated else "once" for name in names} == {how_often}


def test_the_limits_are_envoys() -> None:
    text = (ROOT / "envoy.yaml").read_text()
    limits = {row[0]: row[1] for row in rows("api.md", "what")}
    settings = yaml.safe_load(text)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]

    assert "# request.total_size - request.size > 32768 ||" in text
    assert '# size(request.headers) > ("content-length" in request.headers ? 101 : 100)' in text
    assert ["32768", "101", "100"] == re.findall(r"int64_value: (\d+)", text)
    assert "32 KB together, 100 headers" == limits["request line and headers through Envoy"]
    assert "max_request_bytes: 65536" in text
    assert "64 KB" == limits["request body or message"]
    seconds = settings["request_timeout"].removesuffix("s")
    assert f"{seconds} seconds" == limits["time to send the rest of a request through Envoy"]
    assert "cache_answers = 10000, cache_bytes = 16777216" in text
    assert "caches up to 10,000 responses and 16 MB" in prose(DOCS / "operations.md")


def test_the_errors_table_has_a_reason_in_every_row() -> None:
    assert all(row[-1].endswith(".") for row in rows("api.md", "code"))


def test_the_changelog_begins_with_the_newest_version() -> None:
    versions = re.findall(r"^## \[([\d.]+)\]", page("CHANGELOG.md"), re.MULTILINE)

    assert versions == sorted(versions, reverse=True)
    assert versions[0] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def generate(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Runs the generator over a folder of pages."""
    image = out.parent / "image.binpb"
    includes = ["-I", "proto", "-I", sysconfig.get_path("purelib"), "--include_source_info", "--include_imports"]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", *includes, "-o", str(image)]
    subprocess.run([*protoc, "modelservice/v1/model_service.proto"], cwd=ROOT, check=True)
    return subprocess.run(
        [sys.executable, "-m", "manual", str(image), str(docs), str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "proto" / "tools")},
        capture_output=True,
        text=True,
        check=False,
    )

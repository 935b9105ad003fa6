"""Redocly and Spectral find nothing in the OpenAPI document, with the rules that they recommend."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.npm import NODE
from tests.support.openapi import API, FILE

pytestmark = pytest.mark.slow

# In `extends: spectral:oas` the recommended rules are on.
RULES = 'extends: ["spectral:oas"]'
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
Lint = Callable[[Path], list[str]]


@pytest.fixture(params=["redocly", "spectral"])
def lint(request: pytest.FixtureRequest, npm_packages: Path, tmp_path: Path) -> Lint:
    """Returns the names of the rules that a document breaks, warnings included."""
    (tmp_path / "rules.yaml").write_text(RULES)
    options, problems, name = {
        "redocly": (["--extends", "recommended", "--format", "json"], "problems", "ruleId"),
        "spectral": (["--ruleset", "rules.yaml", "--format", "json", "--quiet"], None, "code"),
    }[request.param]

    def check(document: Path) -> list[str]:
        command = [NODE, npm_packages / ".bin" / request.param, "lint", document, *options]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | QUIET, capture_output=True, text=True, check=False
        )
        found = json.loads(done.stdout)
        return [problem[name] for problem in (found[problems] if problems else found)]

    return check


def test_the_linter_finds_nothing(lint: Lint) -> None:
    assert [] == lint(FILE)


def test_the_linter_would_find_something(lint: Lint, tmp_path: Path) -> None:
    other = copy.deepcopy(API)
    other["components"]["responses"]["Unused"] = {"description": "No operation has it."}
    (tmp_path / "other.json").write_text(json.dumps(other))

    assert {"no-unused-components", "oas3-unused-component"} & set(lint(tmp_path / "other.json"))

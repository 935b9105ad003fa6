"""Where tests and their helpers lie."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_nothing_is_imported_from_a_module_of_tests_or_of_fixtures() -> None:
    found = {
        f"{file.relative_to(TESTS)}: {module}"
        for file in TESTS.rglob("*.py")
        for module in imported(file.read_bytes())
        if {part for part in module.split(".") if part == "conftest" or part.startswith("test_")}
    }

    assert set() == found


@pytest.mark.parametrize(
    "line",
    [
        "import tests.unit.test_x",
        "from tests.unit import test_x",
        "from tests.unit.test_x import y",
        "from . import test_x",
        "from .test_x import y",
        "def f():\n    from tests import conftest",
    ],
)
def test_every_form_of_import_is_seen(line: str) -> None:
    assert {"test_x", "conftest"} & {part for module in imported(line.encode()) for part in module.split(".")}


def imported(source: bytes) -> list[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [
        f"{node.module or ''}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("tests"))
        for alias in node.names
    ]

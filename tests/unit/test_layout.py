"""Where tests and their helpers lie."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_nothing_is_imported_from_a_module_of_tests_or_of_fixtures() -> None:
    found = [
        f"{file.relative_to(TESTS)}: {module}"
        for file in TESTS.rglob("*.py")
        for module in imported(file)
        if {part for part in module.split(".") if part == "conftest" or part.startswith("test_")}
    ]

    assert [] == found


def imported(file: Path) -> list[str]:
    nodes = list(ast.walk(ast.parse(file.read_bytes())))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests")
        for alias in node.names
    ]

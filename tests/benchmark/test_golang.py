"""Without a Go toolchain that works, there is a sentence instead of a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmark import golang


def test_without_a_toolchain_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GO", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert golang.build(tmp_path / "built") == "there is no Go toolchain: `go` is not on the PATH, and GO names none"


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("echo 'go: the last word' >&2; printf '\\tadvice\\n' >&2; exit 1", "go: the last word"),
        ("exit 3", "it ended with 3"),
    ],
)
def test_a_toolchain_that_fails_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, reason: str
) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\n{does}\n")
    go.chmod(0o755)
    monkeypatch.setenv("GO", str(go))

    assert golang.build(tmp_path / "built") == f"the Go servers cannot be built: {reason}"


def test_a_toolchain_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO", str(tmp_path / "go"))

    assert str(tmp_path / "go") in str(golang.build(tmp_path / "built"))

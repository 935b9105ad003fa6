"""Text for people is plain English: the worst phrases of translated prose stay out."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import ROOT

GUARDED = (
    "README.md",
    "docs/*.md",
    "Makefile",
    "envoy.yaml",
    "proto/**/*.proto",
    "proto/**/*.py",
    "proto/**/*.yaml",
    "src/**/*.py",
    "src/**/*.lua",
    "src/**/*.j2",
    "src/**/catalogue.schema.json",
)

# Each with what to write instead.
WORST = {
    # Words.
    r"\bwhoever\b": "anyone who, the caller that",
    r"\bsomebody(?: else)?'s\b": "another program's, someone else's",
    r"\bof late\b": "recently",
    r"\bfor ever\b": "without limit, permanently",
    r"\bfor good\b(?! reason)": "permanently",
    r"\bby so many\b|\bso many (?:bytes|seconds|times|servers)\b": "this number of",
    r"\bas often as\b": "every time, at most N times",
    r"\bmends?\b": "fix, repair",
    # Subjects.
    r"\bwho(?:ever)? (?:accepts|asks|brought|fetches|wants|does not know)\b": "clients that …, anyone who …",
    r"\bhim who\b": "the caller that",
    r"\bnobody (?:said|means)\b": "not set",
    r"\bhas not even\b": "malformed",
    # Verbs.
    r'"""Says\b': "Returns whether …, Whether …",
    r"\bto be (?:had|called|asked)\b": "available; Call it …",
    r"\b(?:is|are) said (?:in|of|so)\b": "the log says",
    r"\bmust be once\b": "must appear exactly once",
    r"\b(?:said|own|brings?|says|list \w+) no more\b": "no longer",
    r"\bstands? there\b": "is, appears",
    r"\btaken for\b": "counts as",
    r"\b(?:goes|go) before\b": "overrides",
    r"\bdoes what is due\b": "name the task",
    r"\bto look\.": "polling",
    r"\b(?:begins?|made) anew\b": "starts over, recreated",
    r"\bas \w+ has it\b": "like, as in",
    r"(?<!there )\bis no (?:JSON|UUID|number|text|file|folder|backup|path|token)\b": "is not a",
    # Clauses.
    r"\bwithout end\b": "0 disables the limit",
    r"\ball one (?:how|whether|to)\b": "does not matter",
    r"\bin (?:their|the|its) stead\b": "instead",
    r"\bpast its end\b": "after it expires",
    r"\bas (?:it|both|they) comes?\b": "with default settings",
    r"\bin vain\b": "timed out waiting for",
    r"\bbe it as\b": "including",
    r"\bof (?:their|its) own word\b": "by itself",
}


def _files(pattern: str) -> Iterator[Path]:
    yield from sorted(ROOT.glob(pattern))


def _line_breaks(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


@functools.cache
def _prose(path: Path) -> tuple[str, list[int]]:
    """Returns the text on one line, because sentences run over line breaks, and the line number of each character."""
    # Generated tables repeat texts of src.
    text = re.sub(r"<!-- generated.*?<!-- end -->", _line_breaks, path.read_text(), flags=re.DOTALL)
    prose, numbers = "", []
    for number, line in enumerate(text.splitlines(), 1):
        words = " ".join(re.sub(r"^\s*(?:#|//|--)", "", line).split()) + " "
        prose += words
        numbers += [number] * len(words)
    return prose, numbers


@pytest.mark.parametrize("phrase", WORST)
def test_no_text_has_one_of_the_worst_phrases(phrase: str) -> None:
    found = []
    for path in (path for pattern in GUARDED for path in _files(pattern)):
        prose, numbers = _prose(path)
        matches = re.finditer(phrase, prose, re.IGNORECASE)
        found += [f"{path.relative_to(ROOT)}:{numbers[match.start()]}: {match[0]}" for match in matches]

    assert [] == found, f"write instead: {WORST[phrase]}"


@pytest.mark.parametrize("pattern", GUARDED)
def test_every_pattern_guards_a_file(pattern: str) -> None:
    assert list(ROOT.glob(pattern))


def test_a_phrase_is_found_across_lines(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("x = 1\n# A sentence that stands\n# there twice.\n")

    prose, numbers = _prose(file)

    assert (match := re.search(r"\bstands? there\b", prose))
    assert 2 == numbers[match.start()]

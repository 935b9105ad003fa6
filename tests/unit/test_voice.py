"""What people read is written in plain English: the worst phrases of translated prose stay out."""

from __future__ import annotations

import re

import pytest

from tests.support.harness import ROOT

# What is guarded. To be extended with src/**/*.py, *.lua, *.yaml and proto/**/*.proto as they are rewritten.
GUARDED = ("README.md", "docs/*.md")

# Each with what to write instead.
WORST = {
    r"\bto be had\b": "available, unavailable",
    r"\bwithout end\b": "0 disables the limit",
    r"\bwho(?:ever)? (?:accepts|asks|brought|fetches|wants)\b": "clients that …, anyone who …",
    r"\b(?:is|are) said (?:in|of|so)\b": "the log says",
    r"\bmust be once\b": "must appear exactly once",
    r"\b(?:said|own|brings?|says|list \w+) no more\b": "no longer",
    r"\bfor good\b": "permanently",
    r"\ball one (?:how|whether|to)\b": "does not matter",
    r"\bnobody (?:said|means)\b": "not set",
    r"\bstands? there\b": "is, appears",
    r"\btaken for\b": "counts as",
    r"\bin (?:their|the|its) stead\b": "instead",
    r"\b(?:goes|go) before\b": "overrides",
    r"\bpast its end\b": "after it expires",
    r"\bof late\b": "recently",
    r"\bas (?:it|both|they) comes?\b": "with default settings",
    r"\bdoes what is due\b": "name the task",
    r"\bto look\.": "polling",
    r"\bin vain\b": "timed out waiting for",
    r"\bhas not even\b": "malformed",
    r"\bbe it as\b": "including",
    r"\bbegins? anew\b": "starts over",
    r"\bmade anew\b": "recreated",
    r"\bof (?:their|its) own word\b": "by itself",
    r"\bhim who\b": "the caller that",
}


@pytest.mark.parametrize("phrase", WORST)
def test_no_page_has_one_of_the_worst_phrases(phrase: str) -> None:
    found = []
    for pattern in GUARDED:
        for path in sorted(ROOT.glob(pattern)):
            # Sentences run over line breaks. Generated tables repeat texts of src.
            text = re.sub(r"<!-- generated.*?<!-- end -->", "", path.read_text(), flags=re.DOTALL)
            text = re.sub(r"\s+", " ", text)
            found += [f"{path.relative_to(ROOT)}: …{m[0]}…" for m in re.finditer(phrase, text, re.IGNORECASE)]

    assert [] == found, f"write instead: {WORST[phrase]}"


@pytest.mark.parametrize("pattern", GUARDED)
def test_every_pattern_guards_a_file(pattern: str) -> None:
    assert list(ROOT.glob(pattern))

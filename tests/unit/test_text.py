"""Text on its way to a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice.domain.text import is_printable, printable, printable_json, printable_lines

BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters()))
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)

    assert is_printable(shown)
    assert not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in BIDIRECTIONAL
        or character in "\u200e\u200f\u061c"
        for character in shown
    )
    assert (text == shown) == is_printable(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00\x1b[2J\x7f\x85\x9b", r"a\x00\x1b[2J\x7f\x85\x9b"),
        ("a\r\n\tb", r"a\r\n\tb"),
        (
            "\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069",
            r"\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069",
        ),
        ("\ud800", r"\ud800"),
        ("Größe 模型 مرحبا 👩‍💻\u00a0é", "Größe 模型 مرحبا 👩‍💻\u00a0é"),
    ],
)
def test_only_control_characters_are_escaped(text: str, shown: str) -> None:
    assert shown == printable(text)


def test_lines_stay_lines() -> None:
    assert "a\\x1b\nb\\r" == printable_lines("a\x1b\nb\r")


@given(st.text(st.characters()))
def test_json_says_the_same(text: str) -> None:
    shown = printable_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))

    assert {text: [text]} == json.loads(shown)
    assert is_printable(shown.replace("\n", ""))

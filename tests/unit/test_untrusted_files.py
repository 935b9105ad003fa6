"""Catalogue files that somebody made to harm: refused within bounds, with one line that says why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelservice.manage.catalogue_file import InvalidCatalogueError, checked, read_file
from modelservice.manage.untrusted_files import (
    BYTES_MAX,
    DEPTH_MAX,
    VALUES_MAX,
    Repeated,
    UnusableFileError,
    parse_json,
    read_text,
)
from modelservice.manage.untrusted_yaml import parse_yaml
from tests.support.bounded import run_bounded

HEAD = "models:\n- name: m\n  display_name: m\n  provider: p\n  metadata:\n"


def aliases(width: int, depth: int) -> str:
    """Returns a catalogue whose one model stands for width ** depth values."""
    rows = ["    a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return HEAD + "\n".join(rows) + "\n"


def merges(width: int, depth: int) -> str:
    """Returns the same, of mappings that are merged into one another."""
    rows = ["    a0: &a0 {x: x}"]
    rows += [f"    a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * width)}], k{n}: x}}" for n in range(1, depth)]
    return HEAD + "\n".join(rows) + "\n"


# What a process reads within memory and time, by the name of its file and what its line says.
BOMBS: dict[str, tuple[str, Callable[[], str], str]] = {
    "aliases of 941 bytes": ("c.yaml", lambda: aliases(8, 17), "line 6: an anchor or an alias: must be written out"),
    "aliases of 517 bytes": ("c.yaml", lambda: aliases(9, 8), "line 6: an anchor or an alias: must be written out"),
    "merges": ("c.yaml", lambda: merges(9, 9), "line 6: an anchor or an alias: must be written out"),
    "an alias of itself": ("c.yaml", lambda: "&a [*a]", "line 1: an anchor or an alias: must be written out"),
    "many values": ("c.yaml", lambda: "[" + "a," * (8 * VALUES_MAX), f"has more than {VALUES_MAX} values"),
    "many names": ("c.yaml", lambda: "{" + "a," * (8 * VALUES_MAX), f"has more than {VALUES_MAX} values"),
    "deep lists": ("c.yaml", lambda: "[" * 1_000_000, f"is nested deeper than {DEPTH_MAX} levels"),
    "deep mappings": ("c.yaml", lambda: "{a: " * 1_000_000, f"is nested deeper than {DEPTH_MAX} levels"),
    "deep blocks": ("c.yaml", lambda: "- " * 1_000_000, f"is nested deeper than {DEPTH_MAX} levels"),
    "a number of hours": (
        "c.yaml",
        lambda: f"a: {':'.join(['59'] * 1_000_000)}",
        "line 1: a number: must have at most",
    ),
    "a long number": ("c.yaml", lambda: "a: " + "9" * 10_000_000, "line 1: a number: must have at most"),
    "a long hexadecimal number": ("c.yaml", lambda: "a: 0x" + "f" * 10_000_000, "line 1: a number: must have at most"),
    "a long text": ("c.yaml", lambda: "x" * (BYTES_MAX - 1), "must hold `models`"),
    "too many bytes": ("c.yaml", lambda: "x" * (BYTES_MAX + 1), f"has more than {BYTES_MAX} bytes"),
    "many values in JSON": ("c.json", lambda: "[" + "[]," * (8 * VALUES_MAX), f"has more than {VALUES_MAX} values"),
    "deep lists in JSON": ("c.json", lambda: "[" * 1_000_000, f"is nested deeper than {DEPTH_MAX} levels"),
    "deep objects in JSON": ("c.json", lambda: '{"a":' * 400_000, f"is nested deeper than {DEPTH_MAX} levels"),
    "a long number in JSON": ("c.json", lambda: "9" * 10_000_000, "must hold `models`"),
    "a string without an end": ("c.json", lambda: '"' + '\\"' * 10_000_000, "is not JSON: "),
}
# What was built before it is refused counts too.
READ = """
import sys
from pathlib import Path
from modelservice.manage.catalogue_file import InvalidCatalogueError, checked, read_file
try:
    checked(read_file(Path(sys.argv[1])).entries)
except InvalidCatalogueError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_within_memory_and_time(tmp_path: Path, bomb: str) -> None:
    name, content, line = BOMBS[bomb]
    file = tmp_path / name
    file.write_text(content())

    done = run_bounded(READ, file)

    assert (0, "") == (done.returncode, done.stderr[-2000:])
    assert done.stdout.startswith(f"{file}: {line}")
    assert 1 == done.stdout.count("\n")
    assert len(done.stdout) < len(str(file)) + 300


def line_of(text: str, parse: Callable[[str], Any] = parse_yaml) -> str:
    with pytest.raises(UnusableFileError) as caught:
        parse(text)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: &x 2", "line 2: an anchor or an alias: must be written out"),
        ("a: *x", "line 1: an anchor or an alias: must be written out"),
        ("&x a: 1", "line 1: a key: must be a plain text"),
        ("a: {b: 1}\nc:\n  <<: {b: 2}", "line 3: a merge (<<): must be written out"),
        ("a: !!python/object/apply:os.system ['true']", "line 1: a tag: must be left out"),
        ("a: !!int 1", "line 1: a tag: must be left out"),
        ("!!set {a, b}", "line 1: a tag: must be left out"),
        ("a: ! b", "line 1: a tag: must be left out"),
        ("? [a, b]\n: c", "line 1: a key: must be a plain text"),
        ("? {a: b}\n: c", "line 1: a key: must be a plain text"),
        ("? !!str a\n: c", "line 1: a key: must be a plain text"),
        ("a: 1\n---\nb: 2", "line 2: a second document: must be one"),
        ("a: 1\n...\n---\n", "line 3: a second document: must be one"),
        ("a: 0b_", "line 1: a number without a digit"),
        ("a: [", "is not YAML: line 2: did not find expected node content"),
        ("a: 'b", "is not YAML: line 1: found unexpected end of stream"),
        ("a:\n\t- b", "is not YAML: line 2: found character that cannot start any token"),
        ("%YAML 3.0\n--- a", "is not YAML: line 1: found incompatible YAML document"),
        ("a: \0", "is not YAML: unacceptable character #x0000: control characters are not allowed in"),
        ("a: \x1b[2J", "is not YAML: unacceptable character #x001b: control characters are not allowed in"),
    ],
)
def test_what_a_catalogue_does_not_need_is_refused(text: str, line: str) -> None:
    assert line_of(text).startswith(line)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("\ufeffa: 1", {"a": 1}),
        ("--- a\n...\n", "a"),
        ("{a: yes, b: no, c: ~, d: 1_000, e: 0x10, f: 1.5, g: .inf}", None),
        ("a: 1:30", {"a": 90}),
        ("a: '1'", {"a": "1"}),
        ("a: =", {"a": "="}),
        # As in JSON, where a date is a text and every name is one.
        ("a: 2026-02-31", {"a": "2026-02-31"}),
        ("{no: 1, 2: 3, ~: 4}", {"no": 1, "2": 3, "~": 4}),
        ("'<<': 1", {"<<": 1}),
    ],
)
def test_plain_values_are_what_they_say(text: str, value: object) -> None:
    assert (yaml.safe_load(text) if value is None else value) == parse_yaml(text)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_what_is_written_as_yaml_is_read_again(value: Any, block: bool) -> None:  # noqa: FBT001
    assert value == parse_yaml(yaml.safe_dump(value, default_flow_style=not block))


@given(plain)
def test_what_is_written_as_json_is_read_again(value: Any) -> None:
    read = parse_json(json.dumps(value))

    assert json.loads(json.dumps(value), parse_int=lambda text: int(text) if len(text) <= 20 else float(text)) == read


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("shape", ["[%s]", '{"a": %s}'])
def test_the_deepest_that_may_be_is_read(parse: Callable[[str], Any], shape: str) -> None:
    text = "1"
    for _ in range(DEPTH_MAX):
        text = shape % text

    assert parse(text)
    assert f"is nested deeper than {DEPTH_MAX} levels" == line_of(shape % text, parse)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_brackets_in_a_text_are_none(parse: Callable[[str], Any]) -> None:
    text = '["' + "[{" * 100 + '\\"", "\\\\", "]"]'

    assert ["[{" * 100 + '"', "\\", "]"] == parse(text)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_a_name_that_appears_twice_is_known(parse: Callable[[str], Any]) -> None:
    content = parse('{"a": 1, "b": 2, "a": 3}')

    assert isinstance(content, Repeated)
    assert ({"a": 3, "b": 2}, [("a", 1)]) == (content, content.earlier)


MODEL = '"name": "m", "display_name": "M", "provider": "p"'


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{{"models": [{{{MODEL}, "enabled": true, "enabled": false}}]}}', "model m: enabled: appears more than once"),
        (f'{{"models": [{{{MODEL}, "name": "m"}}]}}', "model m: name: appears more than once"),
        (
            f'{{"models": [{{{MODEL}, "metadata": {{"a": [{{"b": 1, "b": 2}}]}}}}]}}',
            "model m: metadata.a.b: appears more than once",
        ),
        (f'{{"models": [{{{MODEL}}}, 5, {{{MODEL}}}]}}', "entry 2: must be an object"),
        (
            f'{{"models": [{{{MODEL}}}, {{"name": "n"}}, {{{MODEL}}}]}}',
            "name m: appears in the entries 1, 3: must appear once",
        ),
    ],
)
def test_what_appears_twice_in_our_own_format_is_an_error(tmp_path: Path, name: str, text: str, line: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    with pytest.raises(InvalidCatalogueError) as caught:
        checked(read_file(file).entries)

    assert line in caught.value.problems


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
def test_models_appear_once_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('{"models": [], "models": []}')

    with pytest.raises(
        InvalidCatalogueError, match="must hold `models`, a list, once, at most `revision`, and nothing else"
    ):
        read_file(file)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to("/dev/zero")

    for path in (fifo, link, Path("/dev/zero"), tmp_path, tmp_path / "none"):
        with pytest.raises(UnusableFileError, match=r"^(must be a regular file|Is a directory|No such file .*)$"):
            read_text(path)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"models: [\xff]", "is not UTF-8: byte 9"),
        (b"\xff\xfem\0", "is not UTF-8: byte 0"),
        (b"\xed\xa0\x80", "is not UTF-8: byte 0"),
    ],
)
def test_another_encoding_is_refused(tmp_path: Path, data: bytes, line: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(data)

    with pytest.raises(UnusableFileError, match=f"^{line}$"):
        read_text(file)


def test_what_a_file_writes_into_an_error_is_printable(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"models": [{"name": "\x9b31m\n", "\x1b[2J": "\u202e", "provider": "x" * 10_000}]}))

    with pytest.raises(InvalidCatalogueError) as caught:
        checked(read_file(file).entries)

    assert all(problem.isprintable() and len(problem) < 400 for problem in caught.value.problems)
    assert r"entry 1: \x1b[2J: there is no such field" in caught.value.problems

r"""Makes text from any source safe to print on a terminal.

Control characters can move the cursor, rename the window or type for the user. Bidirectional characters make a line
look different from its contents. Both become escapes: `\x1b`, `\u202e`.
"""

from __future__ import annotations

import re
from typing import Final

# C0, DEL and C1; bidirectional marks, embeddings, overrides and isolates (UAX 9), and deprecated formatting characters;
# line and paragraph separators; surrogates, which no terminal can encode.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")


def is_printable(text: str) -> bool:
    """Whether a text has no control characters. Line breaks and tabs count as such."""
    return _CONTROLS.search(text) is None


def printable(text: str) -> str:
    """Returns a text on one line, with each control character as its escape."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """Returns a text with each control character except line breaks as its escape."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """Returns the same JSON with control characters as JSON escapes. Line breaks stay: they are layout."""
    return _CONTROLS.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)

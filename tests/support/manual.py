"""Reads README.md and docs/: their code blocks, tables, links and headings."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.harness import ROOT, Place

README = ROOT / "README.md"
DOCS = ROOT / "docs"
# In the order in which the README lists them, which is the order in which their commands run.
PAGES = (README, *(DOCS / name for name in re.findall(r"(?m)^\| \[[^]]+\]\(docs/(\S+\.md)\)", README.read_text())))


def page(name: str) -> str:
    """Returns the text of a page of docs/."""
    return (DOCS / name).read_text()


def blocks(language: str, *paths: Path) -> list[str]:
    """Returns the code blocks of a language, of all pages or of these files."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for path in paths or PAGES for block in pattern.findall(path.read_text())]


def at(place: Place, text: str) -> str:
    """Puts a place's addresses in the stead of the documented ones."""
    return text.replace("127.0.0.1:8080", place.http).replace("127.0.0.1:50051", place.grpc)


def rows(name: str, heading: str) -> list[list[str]]:
    """Returns the cells of the table of a page that begins with a heading, without its header."""
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", page(name), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def prose(path: Path) -> str:
    """Returns a page without its code blocks, with its lines joined."""
    return " ".join(re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL).split())


def links(path: Path) -> list[str]:
    """Returns the targets of a page's links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", path.read_text())


def anchors(path: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

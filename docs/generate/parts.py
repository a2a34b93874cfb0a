"""Marked parts of a page, which `make docs` replaces; everything around them is written by hand."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1]


def begin(name: str) -> str:
    return f"<!-- begin {name}: `make docs` writes this part -->"


def end(name: str) -> str:
    return f"<!-- end {name} -->"


def with_part(page: str, name: str, text: str) -> str:
    """The page with `text` as its part `name`; raises LookupError where it has no such part."""
    before, found, rest = page.partition(begin(name))
    _, found_end, after = rest.partition(end(name))
    if not (found and found_end):
        raise LookupError(f"The page has no part {name}: it needs {begin(name)} and {end(name)}.")
    return f"{before}{begin(name)}\n\n{text.strip()}\n\n{end(name)}{after}"


def table(head: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    """A table in Markdown; a `|` inside a cell is escaped."""
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


def code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)

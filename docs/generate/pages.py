"""Every page that the code decides, whole or in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.generate import api, commands, schema, settings, states
from docs.generate.parts import DOCS, with_part

if TYPE_CHECKING:
    from pathlib import Path


def all_pages() -> dict[Path, str]:
    """Each page as it has to be; what is written by hand is taken from the page as it is."""
    document, calls = api.read_code()
    parts = {
        "schema.md": schema.parts(),
        "states.md": states.parts(),
        "api.md": api.parts(document, calls),
        "operations.md": settings.parts() | commands.parts(),
    }
    pages = {DOCS / name: _filled((DOCS / name).read_text(), of) for name, of in parts.items()}
    pages |= {DOCS / "api" / name: text for name, text in api.pages(document, calls).items()}
    return pages


def _filled(page: str, parts: dict[str, str]) -> str:
    for name, text in parts.items():
        page = with_part(page, name, text)
    return page

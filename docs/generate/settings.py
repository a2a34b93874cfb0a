"""The table of settings, from the fields of Settings."""

from __future__ import annotations

from app.environment import variables
from app.settings import Settings
from docs.generate.parts import code, table


def parts() -> dict[str, str]:
    """The part of docs/operations.md. Long defaults get places to wrap at."""
    rows = (
        (code(found.name), found.meaning, found.reader.values, found.default.replace(",", ", "))
        for found in variables(Settings).values()
    )
    return {"settings": table(("setting", "meaning", "values", "default"), *rows)}

"""What a cell of CSV becomes, so that a spreadsheet takes it for text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.kit.spreadsheets import _RISKY, harmless

CELLS = st.text(alphabet="=+-@'\" \t\r\n;01a", max_size=12) | st.text(max_size=20)


@given(CELLS)
def test_no_cell_begins_like_a_formula(cell: str) -> None:
    """Wherever a spreadsheet may split it, and whatever blanks and quotes it passes over."""
    for part in re.split(r"[;\t\r\n]", harmless(cell)):
        assert not re.match(r"[\s\"]*[=+\-@]", part)
    assert not harmless(cell).startswith(("\t", "\r", "\n"))


@given(CELLS)
def test_nothing_is_lost(cell: str) -> None:
    """Without the apostrophes it is what it was."""
    added = [match.start() for match in _RISKY.finditer(cell)]
    found = list(harmless(cell))
    for count, position in enumerate(added):
        assert found.pop(position) == "'", count
    assert "".join(found) == cell
    assert (harmless(cell) == cell) == (not added)


@pytest.mark.parametrize("cell", ["007", "1234567890123456", "1E10", "1.5e+3", "2e5"])
def test_a_number_keeps_its_spelling(cell: str) -> None:
    """Which a spreadsheet would change."""
    assert harmless(cell) == f"'{cell}"

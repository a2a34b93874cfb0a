"""What is printed or logged commands no terminal and forges no line."""

from __future__ import annotations

import io
import json
import logging
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest

from app.printable import make_logs_printable, printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMANDS = {"Cc", "Cs", "Zl", "Zp"}  # categories of Unicode
_BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
_MARKS = "\u061c\u200e\u200f"


def test_every_character_that_commands_a_terminal_is_escaped() -> None:
    """By Unicode's own classes; every other character stays as it is."""
    for character in map(chr, range(sys.maxunicode + 1)):
        commands = (
            unicodedata.category(character) in _COMMANDS
            or unicodedata.bidirectional(character) in _BIDIRECTIONAL
            or character in _MARKS
        )
        shown = printable(character)
        assert (shown != character) == commands, hex(ord(character))
        assert not commands or shown.isascii()


def test_what_is_escaped_in_json_means_the_same() -> None:
    """The escapes are those of JSON, so a JSON text that is printed is still exact."""
    value = {"a\x7f": "\x1b[2J\x9b\u2028\u202e\u2066\u200f\n\t\r\u061c"}
    text = printable(json.dumps(value, ensure_ascii=False))
    assert text.isascii()
    assert json.loads(text) == value


def test_line_feeds_that_are_meant_stay() -> None:
    """Nothing else does."""
    assert printable_lines("a\nb\r\x85") == "a\nb\\r\\u0085"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a logger of the process writes, with the format that gunicorn uses."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logger = logging.getLogger("test_printable")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    before = logging.getLogRecordFactory()
    make_logs_printable()
    yield written
    logging.setLogRecordFactory(before)


def test_a_logged_message_is_one_line(log: io.StringIO) -> None:
    """Whatever its arguments hold."""
    logging.getLogger("test_printable").error("%s of %s", 1, "a\n[ERROR] forged\x1b[2J")
    assert log.getvalue() == "[ERROR] 1 of a\\n[ERROR] forged\\u001b[2J\n"


def test_a_traceback_is_indented(log: io.StringIO) -> None:
    """A line feed in an exception's message begins no record."""
    try:
        raise ValueError("a\n[ERROR] forged\x9b")
    except ValueError:
        logging.getLogger("test_printable").exception("It failed.")
    first, *others = log.getvalue().splitlines()
    assert first == "[ERROR] It failed."
    assert all(line.startswith("  ") for line in others)
    assert "  [ERROR] forged\\u009b" in others

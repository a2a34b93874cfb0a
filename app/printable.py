"""Text for terminals and logs, with control characters escaped."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any

# C0, DEL and C1; marks, embeddings, overrides and isolates of bidirectional text; the separators of
# lines and paragraphs; lone surrogates, which no terminal can be sent.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    """One line, with `\\n` for a line feed and `\\u001b` for ESC: what JSON writes for them."""
    return _INVISIBLE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, whose line feeds stay."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


class PrintableRecord(logging.LogRecord):
    """A record whose message is one line, and whose traceback is indented below it.

    So nothing in a message or an exception looks like a record of its own.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.exc_info and self.exc_info[1] is not None:
            # Formatters take this where it is set, and format `exc_info` where it is not.
            self.exc_text = _indented("".join(traceback.format_exception(self.exc_info[1])))

    def getMessage(self) -> str:  # noqa: N802 - the name that logging calls
        return printable(super().getMessage())


def _indented(text: str) -> str:
    return "\n".join(f"  {printable(line)}" for line in text.rstrip("\n").split("\n"))


def make_logs_printable() -> None:
    """Make all loggers of this process use PrintableRecord. Call it once, at the start."""
    logging.setLogRecordFactory(PrintableRecord)

"""Reads the output of a task from the stdout of a program."""

from __future__ import annotations

import json

from app.db.errors import Invalid, Mistake
from app.domain import strict_json

_PATH = ("output",)


def parse_output(written: bytes) -> object:
    """The value of the JSON that the program wrote, or else its text; None for no output.

    Raises Invalid for output that cannot be stored: JSON that the API refuses, NUL, or bytes that
    are not UTF-8.
    """
    try:
        text = written.decode().strip()
        value = strict_json.parse(text) if text else None
    except UnicodeDecodeError as error:
        raise _refused("It is not UTF-8.") from error
    except json.JSONDecodeError:
        value = text
    except ValueError as error:  # JSON with a repeated key, or nested too deeply
        raise _refused(str(error)) from error
    if mistakes := list(strict_json.unacceptable(value, _PATH)):
        raise Invalid(mistakes)
    return value


def _refused(detail: str) -> Invalid:
    return Invalid([Mistake(_PATH, "invalid", detail)])

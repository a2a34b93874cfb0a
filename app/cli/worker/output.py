"""What a program has written, as the output of a task."""

from __future__ import annotations

import json
from typing import Any

from app.db.errors import Invalid, Mistake
from app.domain import strict_json

_PATH = ("output",)


def parse_output(written: bytes) -> Any:
    """JSON as the API reads it, or else text; None for nothing.

    Raises Invalid for what cannot be stored as it is: JSON that the API refuses, NUL, other than
    UTF-8.
    """
    try:
        text = written.decode().strip()
        value = strict_json.parse(text) if text else None
    except UnicodeDecodeError as error:
        raise _refused("It is not UTF-8.") from error
    except json.JSONDecodeError:
        value = text
    except ValueError as error:  # JSON, with a key twice or nested too deeply
        raise _refused(str(error)) from error
    if mistakes := list(strict_json.unacceptable(value, _PATH)):
        raise Invalid(mistakes)
    return value


def _refused(detail: str) -> Invalid:
    return Invalid([Mistake(_PATH, "invalid", detail)])

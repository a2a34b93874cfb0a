"""Prefixes the paths of the errors that a called use case raises."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from app.db.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def errors_within(field: str) -> Iterator[None]:
    """Put the name of the field before the path of every mistake that is raised inside."""
    try:
        yield
    except Invalid as error:
        mistakes = [replace(each, path=(field, *each.path)) for each in error.mistakes]
        raise Invalid(mistakes) from error
    except Conflict as error:
        error.at(*((field, *path) for path in error.paths))
        raise

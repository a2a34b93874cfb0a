"""Walks all errors: each has its answer in HTTP and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import app.services.readiness
from app.api.problems import status_of
from app.cli.commands import exit_code_of
from app.errors import CaseloadError

if TYPE_CHECKING:
    from collections.abc import Iterator


def every_error(kind: type[CaseloadError] = CaseloadError) -> Iterator[type[CaseloadError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from every_error(inner)


# Mistakes in the settings end the program before there is anything to answer.
ANSWERED = [kind for kind in every_error() if kind.__name__ != "SettingsError"]


@pytest.mark.parametrize("kind", ANSWERED, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_an_exit_code(kind: type[CaseloadError]) -> None:
    """None is told as a bug by accident."""
    assert 400 <= status_of(kind) <= 503
    assert 1 <= exit_code_of(kind) <= 5


def test_errors_in_other_layers_are_walked_too() -> None:
    """What a layer adds to the tree is found by the walk."""
    assert app.services.readiness.SchemaMismatch in ANSWERED


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code(kind: type[CaseloadError]) -> None:
    """Directly or from its parent; groups that are never raised have none."""
    assert hasattr(kind, "code") or kind.__subclasses__()

"""The data layer's interface stays small enough to be learnt."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import app.db

ROOT = Path(app.db.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
OPTIONAL = {"admin", "listing", "search", "testing"}  # packages that nobody has to import
MOST_LINES = 6100


def test_it_has_at_most_forty_public_names_each_documented() -> None:
    """A class, a function or a constant; a name of typing says itself what it is."""
    assert len(app.db.__all__) <= 40
    named = [getattr(app.db, name) for name in app.db.__all__]
    described = [value for value in named if inspect.isclass(value) or inspect.isfunction(value)]
    assert len(described) > 20
    made_up = [value for value in described if str(value.__doc__).startswith(value.__name__)]
    assert made_up == []  # dataclasses write one themselves
    assert [value for value in described if not value.__doc__] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_takes_more_than_six_parameters(module: Path) -> None:
    """`self` and `cls` do not count."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
            assert len(names) <= 6, (node.name, names)


def test_it_does_not_grow_unnoticed() -> None:
    """Everyone who trusts the layer has to read it, so each line has to be worth that.

    Lower the number when the layer gets smaller. docs/adr/0015 says why it is not smaller, and when
    it may be raised.
    """
    parts = {module: {*module.relative_to(ROOT).parts} for module in MODULES}
    needed = [module for module in MODULES if not parts[module] & OPTIONAL]
    lines = sum(len(module.read_text().splitlines()) for module in needed)
    assert lines <= MOST_LINES
    assert lines > MOST_LINES - 100, "Lower MOST_LINES to what is left, rounded up to 50."


def test_every_module_can_be_read_at_once() -> None:
    longest = max(MODULES, key=lambda module: len(module.read_text().splitlines()))
    assert len(longest.read_text().splitlines()) < 250, longest

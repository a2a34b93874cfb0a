"""The data layer's interface stays small enough to be learnt."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import app.db

ROOT = Path(app.db.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


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

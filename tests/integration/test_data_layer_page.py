"""The pages about the data layer: the first one runs, and the reference is complete."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sys
import sysconfig
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app import db
from app.db import Database, EngineOptions, Timeouts, admin, errors, listing, marks, testing
from app.db.repository import search
from tests.page import Page
from tests.server import create_beside, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
FIRST, REFERENCE, COMING_FROM = (
    ROOT / "docs" / f"data-layer{name}.md" for name in ("", "-reference", "-coming-from")
)
OPTIONS = (Database, Timeouts, EngineOptions, Database.connect, Database.run)
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def empty_url(template_url: str, worker_id: str) -> Iterator[str]:
    url = create_beside(template_url, f"page_{worker_id}")
    yield url
    drop(url)


def test_every_block_of_the_first_page_runs(empty_url: str, tmp_path: Path) -> None:
    """In an empty folder beside a clone, and each command prints what the page shows."""
    folder = tmp_path / "empty"
    shutil.copytree(
        ROOT / "app/db",
        folder / "caseload/app/db",
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"),
    )
    page = Page(FIRST.read_text())
    outputs = page.run(
        folder,
        {
            "DATABASE_URL": empty_url,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            # pip finds what the layer needs here, and asks no index for it
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the other way round
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )
    expected = [(line, without_time(output)) for line, output in page.commands]
    lines = [command.line for command in page.commands]
    assert list(zip(lines, map(without_time, outputs), strict=True)) == expected


def without_time(output: str) -> str:
    return re.sub(r"in \d+\.\d+s\S*", "in some seconds", output)


def test_a_block_that_no_command_uses_fails(tmp_path: Path) -> None:
    """And a block that is neither a file nor a console."""
    used = "```python\n# used.py\nprint('used')\n```\n"
    unused = "```python\n# unused.py\n```\n"
    console = "```console\n$ python used.py\nused\n```\n"
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assert Page(used + console).run(tmp_path / "one", environment) == ["used"]
    with pytest.raises(AssertionError, match=r"unused\.py"):
        Page(used + unused + console).run(tmp_path / "other", environment)
    with pytest.raises(AssertionError, match="neither"):
        Page("```python\nprint()\n```\n")


@pytest.mark.parametrize("module", [db, errors, marks, listing, testing, admin, search])
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    """Those of `__all__`, or all that the module defines."""
    missing = set(public_names(module)) - words(REFERENCE)
    assert missing == set()


def test_the_reference_has_every_option_of_database() -> None:
    """Of the class, and of the methods that open a unit."""
    options = {name for each in OPTIONS for name in inspect.signature(each).parameters}
    assert options - words(REFERENCE) == {"self"}


def test_the_reference_has_every_method() -> None:
    """Of `Database` and of `Repository`."""
    methods = {name for each in (Database, db.Repository) for name in dir(each)}
    missing = {name for name in methods if name[0] != "_"} - words(REFERENCE)
    assert missing == set()


def test_the_reference_has_the_signature_of_every_method() -> None:
    """Of `Database` and of `Repository`, in the order of their names."""
    shown = BLOCK.findall(REFERENCE.read_text())
    expected = [signatures(Database), signatures(db.Repository)]
    assert [block.splitlines() for block in shown] == expected


def test_the_reference_has_the_code_of_every_error() -> None:
    """In the table of errors."""
    shown = dict(re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|", REFERENCE.read_text(), re.MULTILINE))
    kinds = {name: getattr(errors, name) for name in public_names(errors)}
    codes = {name: kind.code for name, kind in kinds.items() if hasattr(kind, "code")}
    del codes["Mistake"]  # its code is of the instance
    assert {name: shown.get(name) for name in codes} == codes


def test_the_page_for_readers_from_elsewhere_has_no_block() -> None:
    """It would stay unrun."""
    assert not BLOCK.findall(COMING_FROM.read_text())


@pytest.mark.parametrize("page", [REFERENCE, COMING_FROM, ROOT / "docs/architecture.md"])
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    """By the names of their files."""
    named = set(re.findall(r"`(?:[\w/]+/)?(test_\w+\.py)`", page.read_text()))
    assert named - {path.name for path in (ROOT / "tests").rglob("test_*.py")} == set()


def signatures(owner: type) -> list[str]:
    """As the source has them, without `self`."""
    methods = [getattr(owner, each) for each in dir(owner) if each[0] != "_"]
    entries = map(signature, filter(inspect.isfunction, methods))
    return [line for entry in entries for line in wrapped(entry)]


def signature(method: Callable[..., object]) -> str:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(method))).body
    assert isinstance(definition, ast.FunctionDef)
    assert definition.returns is not None
    arguments = ast.unparse(definition.args).removeprefix("self").removeprefix(", ")
    shown = f"{definition.name}({arguments}) -> {ast.unparse(definition.returns)}"
    return shown.replace("=", " = ").replace("sa.", "")


def wrapped(signature: str) -> list[str]:
    """Lines that break after commas only."""
    unbroken = re.sub(r"(?<!,) ", "\0", signature)
    lines = textwrap.wrap(unbroken, 110, subsequent_indent=" " * 4, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def public_names(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    names = [name for name in vars(module) if name[0] != "_" and name != "TYPE_CHECKING"]
    return [name for name in names if name.isupper() or is_of(module, name)]


def is_of(module: ModuleType, name: str) -> bool:
    return getattr(vars(module)[name], "__module__", None) == module.__name__


def words(page: Path) -> set[str]:
    """What stands between backticks."""
    return {
        word
        for code in re.findall(r"`([^`]+)`", BLOCK.sub("", page.read_text()))
        for word in re.findall(r"\w+", code)
    }

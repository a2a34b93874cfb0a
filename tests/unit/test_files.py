"""Files that commands write: complete or not there at all, wherever the command is interrupted."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest

from app.cli.kit.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType
    from typing import Any

# An interrupt between opening a file and the `with` leaves it to be closed by the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_WATCHED = ("/app/cli/kit/files.py", "/contextlib.py", "/tempfile.py")


def interrupt_at(line: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that raises KeyboardInterrupt before this line of those that run."""
    lines = count()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(_WATCHED):
            return None
        if event == "line" and next(lines) == line:
            raise KeyboardInterrupt
        return trace

    return trace


def written(target: Path) -> None:
    with whole_file(str(target)) as file:
        file.write(b"all of it")


def is_interrupted(target: Path, line: int) -> bool:
    before = sys.gettrace()
    sys.settrace(interrupt_at(line))
    try:
        written(target)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "customers.csv"
    interrupted = 0
    for line in count():
        if not is_interrupted(target, line):
            break
        interrupted += 1
        assert [path.name for path in tmp_path.iterdir()] in ([], [target.name]), line
        target.unlink(missing_ok=True)
    assert interrupted > 20
    assert target.read_bytes() == b"all of it"


def test_an_interrupt_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    target = tmp_path / "customers.csv"
    for line in count():
        target.write_bytes(b"before")
        if not is_interrupted(target, line):
            break
        assert [path.name for path in tmp_path.iterdir()] == [target.name], line
        assert target.read_bytes() in (b"before", b"all of it")


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    written(tmp_path / "customers.csv")
    assert (tmp_path / "customers.csv").stat().st_mode & 0o777 == 0o600

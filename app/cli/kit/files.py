"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from app.cli.kit.commands import Refused
from app.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT = "-"


@contextmanager
def whole_file(name: str) -> Iterator[IO[bytes]]:
    """A temporary file to write, which replaces the named one when the block ends without an error.

    Only its owner may read it. A target that cannot be replaced (stdout, a device, a pipe) gets
    all of it at the end: a slow reader then delays no unit of work. Raises Refused where the
    target cannot be written.
    """
    path = Path(name)
    try:
        if name == STDOUT or (path.exists() and not path.is_file()):
            with tempfile.TemporaryFile() as file:
                yield file
                _pour(file, name)
        else:
            with _replacing(
                Path(os.path.realpath(path))
            ) as file:  # a link stays: its target is replaced
                yield file
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader has closed the pipe: click ends quietly
        message = f"{name} cannot be written: {error.strerror or error}"
        raise Refused(message, _code(error)) from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """The name is chosen before there is a file of it, so that an interrupt leaves none behind."""
    temporary = path.with_name(f".{path.name}.{secrets.token_urlsafe(6)}")
    try:
        with open(temporary, "xb", opener=_private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, mode=0o600)


def _pour(file: IO[bytes], name: str) -> None:
    file.seek(0)
    if name == STDOUT and sys.stdout is None:  # as by `>&-`
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    with click.open_file(name, "wb") as target:
        if target.isatty():  # a person reads it, and programs read files and pipes
            for line in file:
                target.write(printable(line.decode().rstrip("\r\n")).encode() + b"\n")
        else:
            shutil.copyfileobj(file, target)
        target.flush()


def _code(error: OSError) -> int:
    """A full or broken disk is no wrong usage."""
    return 1 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG) else 2

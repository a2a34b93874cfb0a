"""Folders of the server's account: private ones, and those outside the data directory."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .account import Account

_LONGEST_SOCKET_PATH = 107  # bytes, of sun_path on Linux
_SOCKET = ".s.PGSQL.5432"


@contextmanager
def locked_home(shared_home: Path) -> Iterator[Path]:
    """Create root's shared folder, which every account may read, and lock it during the block."""
    shared_home.mkdir(exist_ok=True)
    shared_home.chmod(0o755)  # whatever the umask is
    lock = os.open(shared_home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared_home
    finally:
        os.close(lock)


def digest(directory: Path) -> str:
    """A short name for a data directory."""
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]


def socket_folder(home: Path, directory: Path, prefix: str) -> Path:
    """`home`/run if that path is short enough and has no comma (libpq splits hosts there).

    Else a folder in /tmp, whose name begins with `prefix` and identifies the data `directory`.
    """
    inside = home / "run"
    path = os.fsencode(inside / f"{_SOCKET}.lock")
    if len(path) <= _LONGEST_SOCKET_PATH and b"," not in path:
        return inside
    # The same for every shell, whatever its TMPDIR is.
    return Path("/tmp") / f"{prefix}-{digest(directory)}"  # noqa: S108 - make_private refuses a trap


def socket_in(folder: Path) -> Path:
    return folder / _SOCKET


def is_private(folder: Path, owner: int) -> bool:
    """Whether this is a real folder, not a link, of `owner`."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner


def make_private(folder: Path, account: Account) -> None:
    """Create the folder for this account alone; raises EmbeddedServerError for another's folder."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not is_private(folder, account.uid):
            raise EmbeddedServerError(f"{folder} belongs to another user: remove it.") from None
    else:
        os.chown(folder, account.uid, account.gid)


def change_owner(folder: Path, account: Account) -> None:
    """Make the account the owner of everything in the folder, and last of the folder itself."""
    for inside, _, files in os.walk(folder, topdown=False):
        for name in (*files, "."):
            os.chown(Path(inside, name), account.uid, account.gid, follow_symlinks=False)


def copy_for_everybody(sources: list[Path], base: Path, target: Path) -> None:
    """Copy the sources to `target`, at the paths that they have relative to `base`.

    The programs find their libraries by these paths.
    """
    side = target.with_name(f"{target.name}.new")
    shutil.rmtree(side, ignore_errors=True)
    for source in sources:
        shutil.copytree(source, side / source.relative_to(base), symlinks=True)
    for path in (side, *side.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
    side.rename(target)

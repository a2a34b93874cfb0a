"""The account that runs PostgreSQL's programs. PostgreSQL refuses root, so root runs them:

- as the owner of the data, if that is not root;
- else inside a user namespace, in which root's files belong to an unprivileged user;
- else, where user namespaces are blocked, as an unprivileged account of the system.

This module creates no account, and changes no folder's permissions.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# initdb asks for the name of the user it runs as; every system has one of these.
_UNPRIVILEGED = ("postgres", "nobody")
# PG* variables would change what the server does, and others may hold secrets.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TZ")


@dataclass(frozen=True, slots=True)
class Account:
    """`uid` and `gid` own the files; `prefix` is a command that runs the command after it."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def run(
        self,
        *command: str | Path,
        cwd: str | Path = "/",
        env: dict[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, in a session of its own: Ctrl-C does not reach it.

        An exception in this process is raised only after that end: a server that is half started
        cannot be stopped.
        """
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        other = self.uid != os.geteuid()
        with subprocess.Popen(  # noqa: S603 - PostgreSQL's programs, with paths of ours
            [*self.prefix, *command],
            cwd=cwd,
            env={**passed_on, "LC_ALL": "C", **(env or {})},
            user=self.uid if other else None,
            group=self.gid if other else None,
            extra_groups=[] if other else None,
            pass_fds=pass_fds,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                output, _ = process.communicate()
            except BaseException:
                process.wait()
                raise
        return subprocess.CompletedProcess(command, process.returncode, output)

    def reaches(self, path: Path) -> bool:
        """Whether the account can run this program, or open the files of this folder."""
        return self.run("test", "-x", path).returncode == 0


def choose_account(owner: int | None) -> Account:
    """The account for the programs; `owner` is the uid that owns the data, None without data."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if owner:
        return Account(owner, _group_of(owner))
    entry = _unprivileged()
    prefix = ("unshare", f"--map-user={entry.pw_uid}", f"--map-group={entry.pw_gid}")
    if _works(prefix):
        return Account(0, os.getegid(), prefix)
    return Account(entry.pw_uid, entry.pw_gid)


@cache
def _works(prefix: tuple[str, ...]) -> bool:
    try:
        return Account(0, 0, prefix).run("true").returncode == 0
    except OSError:  # a system without unshare
        return False


def _unprivileged() -> pwd.struct_passwd:
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedServerError(
        f"Root cannot run PostgreSQL: create an account {' or '.join(_UNPRIVILEGED)}."
    )


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:  # a uid without a name
        return uid

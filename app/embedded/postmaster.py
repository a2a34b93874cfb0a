"""Examines a running server by its pid file and its socket, and stops it."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

_PROTOCOL = 196608  # 3.0
_CANNOT_CONNECT_NOW = b"C57P03\0"  # starting, recovering or stopping
_TERMINATE = b"X\0\0\0\4"
_PING_SECONDS = 2
_STOP_SECONDS = 60
# Greater than any pid on Linux.
_NO_PID = "99999999"


def answers(address: Path, user: str) -> bool:
    """Whether the server accepts connections of `user` at this socket, or has too many now."""
    body = struct.pack("!I", _PROTOCOL) + b"user\0%b\0database\0postgres\0\0" % user.encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PING_SECONDS)
        try:
            connection.connect(str(address))
            connection.sendall(struct.pack("!I", len(body) + 4) + body + _TERMINATE)
            with connection.makefile("rb") as stream:
                answer = stream.read()
        except OSError:
            return False
    return answer != b"" and _CANNOT_CONNECT_NOW not in answer


def running(data: Path) -> int | None:
    """The pid of the server of this data, None where its pid file is missing or stale."""
    pid = _named(data)
    return pid if pid is not None and _serves(pid, data) else None


def stop(data: Path) -> None:
    """Stop the server in mode "fast", which rolls open transactions back, and wait for its end."""
    pid = running(data)
    if pid is None:
        return
    with suppress(ProcessLookupError):  # it has just died by itself
        os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    while running(data) == pid and time.monotonic() < deadline:
        time.sleep(0.01)


def forget_stale(data: Path, address: Path) -> None:
    """Remove the pid of a crashed server from its pid files, if it is another process's by now.

    PostgreSQL would not start. The rest of the file in the data stays: PostgreSQL finds out by it
    whether children of the crashed server still run.
    """
    address.with_name(f"{address.name}.lock").unlink(missing_ok=True)
    pid = _named(data)
    if pid is not None and Path(f"/proc/{pid}").exists():
        file = data / "postmaster.pid"
        file.write_text("\n".join([_NO_PID, *file.read_text().split("\n")[1:]]))


def _named(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):  # it is not running, or is just writing the file
        return None


def _serves(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists() and _lives(pid)
    return os.fsencode(data) in command.split(b"\0")


def _lives(pid: int) -> bool:
    """Whether a process has this pid, on systems without /proc."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True

"""The socket on which `flask serve` listens before it migrates, and which gunicorn takes over."""

from __future__ import annotations

import errno
import os
import shlex
import socket

from app.cli.kit.commands import Refused

_HOST = "127.0.0.1"
_LISTENING: dict[int, int] = {}  # descriptors by port


def listen(port: int) -> None:
    """Take the port: no other process gets it, and clients wait until gunicorn accepts them.

    Raises Refused.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()  # only this makes a second one fail: two may bind
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used: {error.strerror}"
        raise Refused(f"PORT: {port} {reason}. Set PORT to another one.", 2) from error
    _LISTENING[port] = listener.detach()


def address(port: int) -> str:
    """The address for gunicorn: the socket that listens already, or else the host and the port."""
    return f"fd://{_LISTENING[port]}" if port in _LISTENING else f"{_HOST}:{port}"


def operator_binds() -> bool:
    """Whether GUNICORN_CMD_ARGS names addresses to listen on: PORT is not used then."""
    given = shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))
    return any(argument.startswith(("-b", "--bind")) for argument in given)

"""The socket that `flask serve` listens on before it loads anything, and leaves to gunicorn."""

from __future__ import annotations

import errno
import os
import shlex
import socket

from app.cli.kit.commands import Refused

_HOST = "127.0.0.1"
_LISTENING: dict[int, int] = {}  # descriptors by port


def listen(port: int) -> None:
    """From here on no other process gets the port; clients wait until gunicorn accepts them."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()  # two sockets may be bound to a port, only one listens
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used: {error.strerror}"
        raise Refused(f"PORT: {port} {reason}. Set PORT to another one.", 2) from error
    _LISTENING[port] = listener.detach()


def address(port: int) -> str:
    """What gunicorn binds to: the socket that listens already, or else the port."""
    return f"fd://{_LISTENING[port]}" if port in _LISTENING else f"{_HOST}:{port}"


def operator_binds() -> bool:
    """Whether GUNICORN_CMD_ARGS names the addresses; PORT is not used then."""
    given = shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))
    return any(argument.startswith(("-b", "--bind")) for argument in given)

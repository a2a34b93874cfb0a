"""Reads the bytes of a body, up to the limit of the request."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Request

_MOST_PASSED_OVER = 16 * 1024 * 1024  # bytes
_MOST_DIGITS = 10  # of a Content-Length, with room to spare


def read_bytes(request: Request) -> bytes:
    """Raises RequestEntityTooLarge, EOFError, and whatever the server raises."""
    try:
        return _up_to_limit(request, request.max_content_length or 0)
    except RequestEntityTooLarge:
        with suppress(Exception):  # the answer is known already
            _pass_over(request.environ["wsgi.input"], _MOST_PASSED_OVER)
        raise


def _up_to_limit(request: Request, limit: int) -> bytes:
    """werkzeug takes 8 us more to read a body whose length is known and allowed."""
    length = _plain_length(request.environ)
    if length is not None and length <= limit:
        data = _first_bytes(request.environ["wsgi.input"], length)
    else:
        data, length = request.get_data(cache=False), request.content_length
    if length is None and len(data) >= limit:
        raise RequestEntityTooLarge  # werkzeug cuts a chunked body off at the limit, silently
    if length is not None and len(data) < length:
        raise EOFError("It is shorter than its Content-Length.")
    return data


def _plain_length(environ: WSGIEnvironment) -> int | None:
    """The Content-Length, if it is a number and the body is not sent in chunks."""
    sent: str = environ.get("CONTENT_LENGTH", "")
    is_number = sent.isdecimal() and sent.isascii() and len(sent) <= _MOST_DIGITS
    return int(sent) if is_number and "HTTP_TRANSFER_ENCODING" not in environ else None


def _first_bytes(source: IO[bytes], length: int) -> bytes:
    """Fewer where the body ends before."""
    data = source.read(length)
    while len(data) < length and (more := source.read(length - len(data))):
        data += more
    return data


def _pass_over(source: IO[bytes], most: int) -> None:
    """Read the rest: a connection that is closed before is reset, and the response is lost."""
    while most > 0 and (part := source.read(min(most, 65536))):
        most -= len(part)

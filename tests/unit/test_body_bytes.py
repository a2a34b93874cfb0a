"""The bytes of a body are those that werkzeug reads, or are refused as werkzeug refuses them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from app.api.kit.body_bytes import read_bytes

LIMIT = 8


class OneByOne(io.BytesIO):
    """A server that has one byte at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1, size) if size is not None and size >= 0 else size)


def request(sent: bytes, source: type[io.BytesIO] = io.BytesIO, **changes: str | None) -> Request:
    environ: dict[str, Any] = EnvironBuilder("/", method="POST").get_environ()
    environ |= {"wsgi.input": source(sent), "wsgi.input_terminated": True}
    environ["CONTENT_LENGTH"] = str(len(sent))
    environ |= {name: value for name, value in changes.items() if value is not None}
    for name in (name for name, value in changes.items() if value is None):
        del environ[name]
    made = Request(environ, populate_request=False)
    made.max_content_length = LIMIT
    return made


@pytest.mark.parametrize("source", [io.BytesIO, OneByOne])
@pytest.mark.parametrize("length", range(LIMIT + 1))
def test_a_body_up_to_the_limit_is_read(source: type[io.BytesIO], length: int) -> None:
    """Also where the server has it in pieces, and as chunks."""
    sent = b"12345678"[:length]
    assert read_bytes(request(sent, source)) == sent
    if length < LIMIT:
        chunks = {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}
        assert read_bytes(request(sent, source, **chunks)) == sent


@pytest.mark.parametrize("length", ["9", "0000000009", "99999999999"])
def test_a_longer_body_is_refused(length: str) -> None:
    with pytest.raises(RequestEntityTooLarge):
        read_bytes(request(b"123456789", CONTENT_LENGTH=length))


def test_what_follows_the_body_is_not_read() -> None:
    """It is the next request."""
    assert read_bytes(request(b"123GET", CONTENT_LENGTH="3")) == b"123"


def test_a_body_that_ends_too_early_is_refused() -> None:
    with pytest.raises(EOFError):
        read_bytes(request(b"12", CONTENT_LENGTH="3"))


@pytest.mark.parametrize(
    "length", ["", "-1", "+3", " 3", "3 ", "\N{ARABIC-INDIC DIGIT THREE}", "x"]
)
def test_a_strange_length_is_left_to_werkzeug(length: str) -> None:
    """It takes some of them for nothing; no server lets them through."""
    usual = request(b"123", CONTENT_LENGTH=length).get_data(cache=False)
    assert read_bytes(request(b"123", CONTENT_LENGTH=length)) == usual

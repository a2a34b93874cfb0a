"""Request bodies, checked by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.peers.common.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIEnvironment

    Check = Callable[[Any], bool]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_QUEUE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def text(longest: int, shortest: int = 1) -> Check:
    return lambda value: isinstance(value, str) and shortest <= len(value) <= longest


def integer(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def email(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 254 and _EMAIL.fullmatch(value) is not None


def queue(value: Any) -> bool:
    return isinstance(value, str) and _QUEUE.fullmatch(value) is not None


def json_object(value: Any) -> bool:
    return isinstance(value, dict)


def optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def read(environ: WSGIEnvironment) -> dict[str, Any]:
    """The JSON object that was sent; raises Refused."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    try:
        body = orjson.loads(environ["wsgi.input"].read(length))
    except orjson.JSONDecodeError:
        raise Refused(400, "malformed-json") from None
    if not isinstance(body, dict):
        raise Refused(422, "validation-error", "")
    return body


def check(
    body: dict[str, Any], fields: Mapping[str, Check], required: tuple[str, ...], at: str = ""
) -> None:
    """Raises Refused for unknown, missing and wrong fields; `at` is the pointer to the body."""
    wrong = [name for name in required if name not in body]
    wrong += [name for name, value in body.items() if name not in fields or not fields[name](value)]
    if wrong:
        raise Refused(422, "validation-error", *(f"{at}/{name}" for name in sorted(wrong)))

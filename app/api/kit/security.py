"""Headers that make browsers and caches to keep responses private."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADERS = (
    ("Cache-Control", "no-store"),  # nearly all responses are about people
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_A_YEAR = "max-age=31536000"
_OVER_TLS = (*_HEADERS, ("Strict-Transport-Security", _A_YEAR))


def missing(headers: Iterable[tuple[str, str]], *, is_secure: bool) -> list[tuple[str, str]]:
    """The headers that the view has not set by itself, such as a policy for a page."""
    wanted = _OVER_TLS if is_secure else _HEADERS
    own = {name for name, _ in headers}
    return [field for field in wanted if field[0] not in own]

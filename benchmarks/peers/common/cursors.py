"""Cursors of a list, the newest row first. They are not sealed, as those of Caseload are."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

LIMIT = 25  # items of a page, where the request names no number


def cursor_of(created_at: datetime, key: object) -> str:
    return urlsafe_b64encode(json.dumps([created_at.isoformat(), str(key)]).encode()).decode()


def place_of(cursor: str) -> tuple[datetime, UUID]:
    """The time of creation and the id after which the page begins."""
    created_at, key = json.loads(urlsafe_b64decode(cursor))
    return datetime.fromisoformat(created_at), UUID(key)


def link_to(path: str, limit: int, cursor: str) -> str:
    return f'<{path}?limit={limit}&cursor={cursor}>; rel="next"'

"""Records and schemas have the same fields: no row is dumped by the slow way."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Any

import pytest

from app.api.kit.compiled.dump import Dump
from tests.client import problem
from tests.functional.test_access import MAY
from tests.functional.test_access_to_objects import ask

if TYPE_CHECKING:
    from tests.scene import Scene

READS = [route for route in MAY if route.startswith("GET /v1/")]
SEARCHED = ["/v1/products?q=card", "/v1/faqs?q=yes", "/v1/customers?q=ann"]
NEVER_DELETED = [
    "/v1/accounts",
    "/v1/transactions",
    "/v1/events",
    "/v1/conversations/$conversations_own/messages",
]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The records that were dumped slowly."""
    found: list[Any] = []
    dump_slowly = Dump._with_gaps

    def counted(self: Dump, dump: Any, record: Any) -> Any:
        found.append(record)
        return dump_slowly(self, dump, record)

    monkeypatch.setattr(Dump, "_with_gaps", counted)
    return found


@pytest.mark.parametrize("route", READS)
@pytest.mark.parametrize("role", ["admin", "staff"])
def test_no_record_is_dumped_slowly(scene: Scene, slow: list[Any], route: str, role: str) -> None:
    """By any list or read, for admins, who are shown `deleted_at`, and for others."""
    answer = ask(scene, route, role, "own")
    assert answer.status_code == (200 if role in MAY[route] else 403)
    assert slow == []


@pytest.mark.parametrize("path", SEARCHED)
@pytest.mark.parametrize("role", ["admin", "staff"])
def test_no_found_record_is_dumped_slowly(
    scene: Scene, slow: list[Any], path: str, role: str
) -> None:
    """Where a search adds a snippet, and where it adds none."""
    answer = scene.client(role).get(path)
    assert len(answer.json["items"]) > 0
    assert slow == []


@pytest.mark.parametrize("path", NEVER_DELETED)
def test_what_is_never_deleted_has_no_deleted_at(scene: Scene, path: str) -> None:
    """Not as a field that may be asked for, and not in the answer to an admin."""
    path = Template(path).substitute(scene.ids)
    admin = scene.client("admin")
    assert problem(admin.get(f"{path}?fields=deleted_at")) == (400, "invalid-parameter")
    items = admin.get(path).json["items"]
    assert items
    assert not any("deleted_at" in item for item in items)

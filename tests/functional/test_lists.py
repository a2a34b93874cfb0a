"""Lists: pages without gap or repeat, cursors, filters, search, totals."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

    Sql = Callable[..., list[tuple[Any, ...]]]

# Names in fives, times in sevens, e-mail addresses for two of three: ties and NULLs everywhere.
MANY = """
    INSERT INTO customers (id, reference, name, email, created_at)
    SELECT gen_random_uuid(), 'r' || to_char(n, 'FM000'), 'n' || n %% 5,
           CASE WHEN n %% 3 > 0 THEN 'e' || to_char(n * 7 %% 200, 'FM000') || '@x.example' END,
           timestamptz '2026-01-01 00:00Z' + n %% 7 * interval '1 microsecond'
    FROM generate_series(1, 200) AS n
"""
SORTS = [
    "",
    "created_at",
    "-created_at",
    "reference",
    "-name",
    "email",
    "-email",
    "name,-created_at",
    "-name,email",
    "created_at,-email",
    "-email,-name",
    "name,-email,created_at,-reference",
]
FEW = [
    ("A1", "Ann 100% legal", "Ann@x.example", "11"),
    ("A2", "under_score", "bob@y.example", None),
    ("A3", "back\\slash", None, "33"),
    ("A4", "Plain", None, None),
]


def _walk(client: Client, query: str) -> list[dict[str, Any]]:
    """All items, by following next_cursor, which the Link header agrees with."""
    url, items = f"/v1/customers?{query}", []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        items += answer.json["items"]
        cursor = answer.json["next_cursor"]
        linked = re.fullmatch('<(/v1/customers[?].+)>; rel="next"', answer.headers.get("Link", ""))
        assert (cursor is None) == (linked is None)
        url = linked[1] if linked else ""
        assert cursor is None or f"cursor={quote(cursor)}" in url
    return items


def _in_order(items: list[dict[str, Any]], sort: str) -> bool:
    def key(item: dict[str, Any], name: str) -> tuple[bool, Any]:
        """NULL is the largest value, as PostgreSQL has it."""
        value = item[name]
        return value is None, datetime.fromisoformat(value) if name == "created_at" else value

    def behind(one: dict[str, Any], other: dict[str, Any]) -> bool:
        for field in sort.split(","):
            name = field.removeprefix("-")
            first, second = key(one, name), key(other, name)
            if first != second:
                return (first > second) == field.startswith("-")
        return True

    return all(map(behind, items, items[1:]))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [7, 100])
def test_pages_have_no_gap_and_no_repeat(viewer: Client, sql: Sql, sort: str, limit: int) -> None:
    """With ties, NULLs, several fields and mixed directions; newest first without a sort."""
    sql(MANY)
    items = _walk(viewer, f"limit={limit}" + (f"&sort={sort}" if sort else ""))
    assert len(items) == 200
    assert len({item["id"] for item in items}) == 200
    assert _in_order(items, sort or "-created_at")


def test_pages_keep_their_place_while_rows_come_and_go(staff: Client, sql: Sql) -> None:
    """The row that a cursor points at may be deleted: nothing is skipped or shown twice."""
    sql(MANY)
    first = staff.get("/v1/customers?sort=reference&limit=10").json
    staff.delete(f"/v1/customers/{first['items'][-1]['id']}")
    staff.create("/v1/customers", {"reference": "r000", "name": "x"})
    second = staff.get(f"/v1/customers?sort=reference&limit=3&cursor={first['next_cursor']}").json
    assert [item["reference"] for item in second["items"]] == ["r011", "r012", "r013"]


def test_a_full_last_page_has_no_next(staff: Client) -> None:
    """Exactly `limit` rows are one page, not one and an empty one."""
    for n in range(3):
        staff.create("/v1/customers", {"reference": str(n), "name": "x"})
    answer = staff.get("/v1/customers?limit=3")
    assert (len(answer.json["items"]), answer.json["next_cursor"]) == (3, None)
    assert "Link" not in answer.headers


def test_a_page_has_25_items_unless_told(staff: Client, sql: Sql) -> None:
    """And is told how many by `limit`, up to 100, which may change from page to page."""
    sql(MANY)
    first = staff.get("/v1/customers").json
    assert len(first["items"]) == 25
    assert "total" not in first
    rest = staff.get(f"/v1/customers?limit=100&cursor={first['next_cursor']}").json
    assert len(rest["items"]) == 100


def test_filters_and_search_hold_on_every_page(viewer: Client, sql: Sql) -> None:
    """The Link of a page carries them along."""
    sql(MANY)
    items = _walk(viewer, "q=%40x+r&email__is_null=false&name__in=n1,n2&sort=-email,name&limit=5")
    assert len(items) == len({item["id"] for item in items}) == 54
    assert {item["name"] for item in items} == {"n1", "n2"}


@pytest.mark.parametrize(
    "query",
    [
        "sort=name",
        "sort=reference,name",
        "sort=-reference",
        "sort=reference&name=n1",
        "sort=reference&q=n1",
        "sort=reference&include_deleted=true",
    ],
)
def test_a_cursor_fits_only_the_list_it_came_from(admin: Client, sql: Sql, query: str) -> None:
    """Another sort, filter, search or list is another cursor's."""
    sql(MANY)
    cursor = admin.get("/v1/customers?sort=reference&limit=2").json["next_cursor"]
    assert admin.get(f"/v1/customers?sort=reference&cursor={cursor}").status_code == 200
    answer = admin.get(f"/v1/customers?{query}&cursor={cursor}")
    assert problem(answer) == (400, "invalid-cursor")
    assert codes(answer) == {"cursor": "invalid-cursor"}


def test_a_cursor_fits_no_other_list(admin: Client, sql: Sql) -> None:
    """Though both are sorted by created_at."""
    sql(MANY)
    cursor = admin.get("/v1/customers?limit=2").json["next_cursor"]
    for path in ("/v1/users", "/v1/tokens", "/v1/events"):
        assert problem(admin.get(f"{path}?cursor={cursor}")) == (400, "invalid-cursor")


def test_a_cursor_that_was_tampered_with_is_refused(viewer: Client, sql: Sql) -> None:
    """Whatever character is changed, left out or added."""
    sql(MANY)
    cursor = viewer.get("/v1/customers?limit=2").json["next_cursor"]
    places = range(0, len(cursor) - 1, 5)  # the last character holds two unused bits
    other = ["B" if cursor[place] == "A" else "A" for place in places]
    changed = [cursor[:i] + c + cursor[i + 1 :] for i, c in zip(places, other, strict=True)]
    bad = ["", "x", ".", cursor[:-2], cursor + "A", cursor * 2, cursor.rpartition(".")[0]]
    for given in [*changed, *bad, "%F0%9F%92%A9", "a.b.c", ".eJw.x", "9" * 3000]:
        answer = viewer.get(f"/v1/customers?cursor={given}")
        assert problem(answer) == (400, "invalid-cursor"), given


@pytest.fixture
def few(staff: Client, sql: Sql) -> Client:
    """A list of four customers, one made per day."""
    for day, (reference, name, email, phone) in enumerate(FEW, start=1):
        body = {"reference": reference, "name": name, "email": email, "phone": phone}
        key = staff.create("/v1/customers", body)["id"]
        moment = f"2026-03-0{day}T12:00:00Z"
        sql("UPDATE customers SET created_at = %s WHERE id = %s", moment, key)
    return staff


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("reference=A1", "A1"),
        ("reference=a1", ""),
        ("reference__ne=A1", "A2 A3 A4"),
        ("reference__in=A1,A3,nope", "A1 A3"),
        ("email=ANN@X.EXAMPLE", "A1"),
        ("email__ne=ann@x.example", "A2 A3 A4"),
        ("email__contains=EXAMPLE", "A1 A2"),
        ("email__is_null=true", "A3 A4"),
        ("email__is_null=false&phone__is_null=true", "A2"),
        ("phone__is_null=true&email__is_null=false", "A2"),
        ("phone__in=11,33", "A1 A3"),
        ("name__contains=a", "A1 A3 A4"),
        ("name__contains=%25", "A1"),
        ("name__contains=_", "A2"),
        ("name__contains=%5C", "A3"),
        ("created_at=2026-03-02T12:00:00Z", "A2"),
        ("created_at__lt=2026-03-02T12:00:00Z", "A1"),
        ("created_at__lte=2026-03-02T12:00:00Z", "A1 A2"),
        ("created_at__gt=2026-03-02T12:00:00Z", "A3 A4"),
        ("created_at__gte=2026-03-02T13:00:00%2B01:00", "A2 A3 A4"),
        ("created_at__gt=2026-03-01T12:00:00Z&created_at__lt=2026-03-03T12:00:00Z", "A2"),
        ("created_at__lt=2026-03-03T12:00:00Z&created_at__gt=2026-03-01T12:00:00Z", "A2"),
        ("created_at__in=2026-03-01T12:00:00Z,2026-03-04T12:00:00.000000Z", "A1 A4"),
        ("q=%25", "A1"),
        ("q=_", "A2"),
        ("q=%5C", "A3"),
        ("q=plain", "A4"),
        ("q=BOB@Y", "A2"),
        ("q=a1%20LEGAL", "A1"),
        ("q=a1+plain", ""),
        ("q=%27%3B--", ""),
    ],
)
def test_filters_find_what_they_say(few: Client, query: str, found: str) -> None:
    """Each operator, combined ones, and searches that take wildcards literally."""
    answer = few.get(f"/v1/customers?sort=reference&include_total=true&{query}")
    assert answer.status_code == 200, answer.text
    assert " ".join(item["reference"] for item in answer.json["items"]) == found
    assert answer.json["total"] == len(found.split())


@pytest.mark.parametrize("name", ["nosuch", ""])
def test_an_unknown_sort_is_refused_with_the_names_that_exist(viewer: Client, name: str) -> None:
    answer = viewer.get(f"/v1/agents?sort=name,{name}")
    names = "created_at, last_seen_at, name, updated_at"
    assert problem(answer) == (400, "invalid-parameter")
    (error,) = answer.json["errors"]
    assert error == {
        "parameter": "sort",
        "code": "invalid-parameter",
        "detail": f"Cannot sort by '{name}'. Use one of {names}.",
    }


def test_a_total_counts_all_pages(viewer: Client, sql: Sql) -> None:
    """Exactly, and without being called an estimate."""
    sql(MANY)
    answer = viewer.get("/v1/customers?limit=1&include_total=true&name=n1").json
    assert (answer["total"], len(answer["items"])) == (40, 1)
    assert "total_is_estimate" not in answer
    assert "total" not in viewer.get("/v1/customers?include_total=false").json


def test_a_total_beyond_ten_thousand_is_called_an_estimate(viewer: Client, sql: Sql) -> None:
    """And is in the right region."""
    sql(MANY.replace("200) AS", "10001) AS").replace("FM000", "FM00000").replace("%% 200", ""))
    sql("ANALYZE customers")
    answer = viewer.get("/v1/customers?limit=1&include_total=true").json
    assert answer["total_is_estimate"] is True
    assert 10_001 <= answer["total"] <= 12_000


def test_one_big_number_does_not_break_a_list(
    staff: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """What is in the database can be read."""
    staff.create("/v1/customers", {"reference": "C", "name": "A"})
    sql("UPDATE customers SET attributes = '{\"x\": 1e22}'")
    assert staff.get("/v1/customers").status_code == 200

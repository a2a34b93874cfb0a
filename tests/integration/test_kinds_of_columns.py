"""Every path writes the values of a column alike, whatever its type and its name."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, text

from app.db import Query, Sort
from app.db.errors import Invalid, NotUnique, UnknownReference
from tests.catalogue import ARTICLES, FAMILIES, Article, Colour, Family

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Database

    Write = Callable[[Session, dict[str, Any]], object]

VALUES: dict[str, Any] = {
    "code": "1",
    "name": "A",
    "token": "t",
    "kind": "k",
    "state": "s",
    "colour": Colour.BLUE,
    "colours": [Colour.RED, Colour.BLUE],
    "grid": [["ab", "\\N"], ["c,", "}"]],
    "parts": [{"a": 'x"y\\'}, {"b": ["\n", None]}],
    "price": Decimal("12.50"),
    "weight": 0.1,
    "due": date(2026, 2, 3),
    "shown_at": datetime(2026, 2, 3, 4, 5, 6, 7, UTC),
    "lasts": timedelta(days=-3, seconds=7, microseconds=9),
    "label": "five!",
    "serial": -7,
    "secret": "abc",
    "notes": {"a": 1},
}
WAYS: dict[str, Write] = {
    "add": lambda session, values: ARTICLES.add(session, Article(**values)),
    "insert one": lambda session, values: ARTICLES.insert(session.connection(), values),
    "insert": lambda session, values: session.connection().execute(
        insert(Article.__table__), {Article.__mapper__.c[name].key: values[name] for name in values}
    ),
    "insert_many": lambda session, values: ARTICLES.insert_many(session.connection(), [values]),
    "returning": lambda session, values: ARTICLES.insert_many(
        session.connection(), [values], returning=True
    ),
    "copy": lambda session, values: ARTICLES.copy(
        session.connection(), tuple(values), [tuple(values.values())]
    ),
    "upsert": lambda session, values: ARTICLES.upsert(session.connection(), values, on=["code"]),
    "upsert again": lambda session, values: [
        ARTICLES.upsert(session.connection(), {**values, "kind": kind}, on=["code"])
        for kind in ("other", values.get("kind", "plain"))
    ],
}


def only(connection: Connection) -> dict[str, Any]:
    [record] = ARTICLES.records(connection, Query()).items
    return record


def written(database: Database, write: Write, values: dict[str, Any]) -> dict[str, Any]:
    with database.session() as session:
        write(session, values)
        session.flush()
        record = only(session.connection())
    return {name: record[name] for name in values}


@pytest.mark.parametrize("way", WAYS)
def test_every_type_is_inserted_alike(catalogue: Database, way: str) -> None:
    """Enums by their labels, intervals, decorated types: what is read is what was written."""
    assert written(catalogue, WAYS[way], VALUES) == VALUES


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight", math.inf),
        ("weight", math.nan),
        ("price", Decimal("NaN")),
        ("price", Decimal(10) ** 30),
    ],
)
def test_every_number_is_inserted_alike(
    catalogue: Database, way: str, name: str, value: Any
) -> None:
    """Also those for which JSON has no word."""
    found = written(catalogue, WAYS[way], {"code": "1", "name": "A", name: value})[name]
    assert found == value or (math.isnan(found) and math.isnan(value))


UPDATES: dict[str, Write] = {
    "update": lambda session, values: ARTICLES.update(
        session, session.query(Article).one(), values
    ),
    "update_where": lambda session, values: ARTICLES.update_where(
        session.connection(), values, at_most=1, name="old"
    ),
    "update_each": lambda session, values: ARTICLES.update_each(
        session.connection(), [{"id": only(session.connection())["id"], **values}]
    ),
    "claim": lambda session, values: ARTICLES.claim(
        session.connection(), values, limit=1, name="old"
    ),
}


@pytest.mark.parametrize("way", UPDATES)
def test_every_type_is_updated_alike(catalogue: Database, way: str) -> None:
    """`update_each` takes no lists."""
    values = {name: value for name, value in VALUES.items() if not isinstance(value, list)}
    with catalogue.session() as session:
        ARTICLES.add(session, Article(code="0", name="old"))
    assert written(catalogue, UPDATES[way], values) == values


@pytest.mark.parametrize("way", [way for way in WAYS if way != "upsert again"])
def test_json_is_written_alike(catalogue: Database, way: str) -> None:
    """Decimals and bytes as text, times in UTC with Z, NaN as null."""
    notes = {
        "decimal": Decimal("1.50"),
        "bytes": b"\x01",
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": math.nan,
        "date": date(2026, 1, 2),
    }
    written(catalogue, WAYS[way], {"code": "1", "name": "A", "notes": notes})
    with catalogue.connect() as connection:
        assert only(connection)["notes"] == {
            "decimal": "1.50",
            "bytes": "\\x01",
            "time": "2026-01-02T00:00:00Z",
            "nan": None,
            "date": "2026-01-02",
        }


@pytest.mark.parametrize("way", [way for way in WAYS if way != "upsert again"])
def test_none_is_the_json_null_to_plain_jsonb_unless_in_bulk(catalogue: Database, way: str) -> None:
    """As SQLAlchemy has it; a JSONObject is always NULL."""
    written(catalogue, WAYS[way], {"code": "1", "name": "A", "plain_json": None, "notes": None})
    with catalogue.connect() as connection:
        found = connection.execute(text("SELECT plain_json::text, notes::text FROM articles")).one()
    assert found == (None if way in ("insert_many", "returning", "copy") else "null", None)


def test_records_and_errors_have_the_names_of_the_attributes(catalogue: Database) -> None:
    """Not those of the columns."""
    with catalogue.session() as session:
        connection = session.connection()
        family = FAMILIES.add(session, Family(name="g"))
        article = ARTICLES.add(session, Article(code="1", name="A", family_id=family.id))
        assert ARTICLES.record(connection, article.id) == {
            each.key: getattr(article, each.key) for each in Article.__mapper__.column_attrs
        }
        assert ARTICLES.missing_references(connection, {"family_id": article.id}) == ["family_id"]
        assert ARTICLES.missing_among(connection, [{"family_id": article.id}]) == [(0, "family_id")]
        assert ARTICLES.taken_among(connection, [{"code": "1"}]) == [(0, "code")]
    for values, error, place in (
        ({"code": "1", "name": "A"}, NotUnique, "code"),
        ({"code": "2", "name": "A", "family_id": article.id}, UnknownReference, "family_id"),
        ({"code": "2", "name": None}, Invalid, "name"),
        ({"code": "2", "name": "A", "serial": 40_000}, Invalid, "serial"),
    ):
        for way in ("add", "insert_many", "upsert"):
            if way == "upsert" and error is NotUnique:
                continue
            with pytest.raises(error, match=place), catalogue.session() as session:
                WAYS[way](session, values)


def test_a_row_comes_back_with_other_values(catalogue: Database) -> None:
    """Under the names of the attributes."""
    with catalogue.session() as session:
        connection = session.connection()
        article = ARTICLES.add(session, Article(code="1", name="A"))
        ARTICLES.soft_delete(connection, article.id)
        restored = ARTICLES.restore(connection, article.id, {"code": "2"})
        assert restored is not None
        assert restored["code"] == "2"


@pytest.mark.parametrize("name", ["id", "created_at", "deleted_at", "colr"])
def test_a_row_comes_back_with_values_of_its_fields_only(catalogue: Database, name: str) -> None:
    """Not with another key, nor with another time of its creation."""
    with catalogue.session() as session:
        article = ARTICLES.add(session, Article(code="1", name="A"))
        ARTICLES.soft_delete(session.connection(), article.id)
        with pytest.raises(AttributeError, match=name):
            ARTICLES.restore(session.connection(), article.id, {name: None})


@pytest.mark.parametrize("how", ["insert_many", "copy"])
def test_python_makes_a_default_for_each_row(catalogue: Database, how: str) -> None:
    """Also for the ids; a constant is the same in all rows."""
    rows = [{"code": str(i), "name": "A"} for i in range(5)]
    with catalogue.connect() as connection:
        if how == "copy":
            ARTICLES.copy(connection, ("code", "name"), [tuple(row.values()) for row in rows])
        else:
            ARTICLES.insert_many(connection, rows)
        found = ARTICLES.records(connection, Query()).items
    assert len({row["token"] for row in found}) == len({row["id"] for row in found}) == 5
    assert {(row["kind"], row["state"]) for row in found} == {("plain", "new")}


def test_a_new_upserted_row_has_the_defaults(catalogue: Database) -> None:
    """And an updated one keeps its values."""
    with catalogue.connect() as connection:
        first, _ = ARTICLES.upsert(connection, {"code": "1", "name": "A"}, on=["code"])
        other, _ = ARTICLES.upsert(connection, {"code": "2", "name": "A"}, on=["code"])
        again, is_new = ARTICLES.upsert(connection, {"code": "1", "name": "B"}, on=["code"])
    assert (first["kind"], first["token"] != other["token"]) == ("plain", True)
    assert (again["token"], again["name"], is_new) == (first["token"], "B", False)


def test_rows_may_name_different_fields(catalogue: Database) -> None:
    """Each row gets what it lacks, as if it was inserted alone."""
    rows: list[dict[str, Any]] = [
        {"code": "1", "name": "A", "kind": "k"},
        {"code": "2", "name": "B", "state": "old", "colour": Colour.RED},
        {"code": "3", "name": "C", "token": "t", "price": None},
    ]
    with catalogue.connect() as connection:
        found = ARTICLES.insert_many(connection, rows, returning=True)
    assert [row["code"] for row in found] == ["1", "2", "3"]
    assert [row["kind"] for row in found] == ["k", "plain", "plain"]
    assert [row["state"] for row in found] == ["new", "old", "new"]
    assert [row["colour"] for row in found] == [None, Colour.RED, None]
    assert found[2]["token"] == "t"
    assert len({row["token"] for row in found}) == 3


def test_a_missing_value_that_looks_like_none_is_refused(catalogue: Database) -> None:
    """The table has a default for it, and one row wants NULL."""
    rows: list[dict[str, Any]] = [
        {"code": "1", "name": "A", "state": None},
        {"code": "2", "name": "B"},
    ]
    with pytest.raises(ValueError, match="state"), catalogue.connect() as connection:
        ARTICLES.insert_many(connection, rows)


def test_no_rows_are_no_statement(catalogue: Database) -> None:
    with catalogue.connect() as connection:
        assert ARTICLES.insert_many(connection, []) == []
        assert ARTICLES.insert_many(connection, [], returning=True) == []
        assert ARTICLES.update_each(connection, []) == 0


@pytest.mark.parametrize("column", ["shown_at", "due"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_end_where_times_are_infinite(
    catalogue: Database, column: str, *, descending: bool
) -> None:
    """With ties at both ends, and NULLs."""
    times = ["-infinity", "2026-01-01", "infinity", None]
    with catalogue.connect() as connection:
        ids = ARTICLES.insert_many(connection, [{"code": str(i), "name": "A"} for i in range(12)])
        for position, key in enumerate(ids):
            connection.execute(
                text(f"UPDATE articles SET {column} = :at WHERE id = :key"),
                {"at": times[position % 4], "key": key},
            )
        sort = (Sort(column, descending=descending),)
        whole = [row["id"] for row in ARTICLES.records(connection, Query(sort=sort)).items]
        for limit in (1, 2, 5):
            seen: list[Any] = []
            query = Query(sort=sort, limit=limit)
            for _ in range(13):
                page = ARTICLES.records(connection, query)
                seen += [row["id"] for row in page.items]
                if page.next is None:
                    break
                query = Query(sort=sort, limit=limit, after=page.next)
            assert seen == whole


def test_pages_end_where_numbers_are_infinite(catalogue: Database) -> None:
    """PostgreSQL sorts NaN behind infinity, and psycopg2 writes both as NaN."""
    prices = ["NaN", "Infinity", "1", "-Infinity"]
    with catalogue.connect() as connection:
        for code, price in enumerate(prices):
            ARTICLES.insert_many(connection, [{"code": str(code), "name": "A"}])
            connection.execute(
                text("UPDATE articles SET price = :price WHERE article_code = :code"),
                {"price": price, "code": str(code)},
            )
        query, seen = Query(sort=(Sort("price", descending=True),), limit=1), []
        for _ in range(5):
            page = ARTICLES.records(connection, query)
            seen += [str(row["price"]) for row in page.items]
            if page.next is None:
                break
            query = Query(sort=query.sort, limit=1, after=page.next)
        assert seen == prices

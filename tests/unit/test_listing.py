"""Cursors and query strings of a list, for every type that a column may have."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column, registry

from app.db import Base, Query, Reader, Resource, Sort, filter_on, sorts_on
from app.db.errors import InvalidCriterion, InvalidCursor
from app.db.listing import Cursors, parse_filter, parse_sort
from app.db.listing.formats import parse_date, parse_decimal, parse_float


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class SampleResource(Resource):
    __abstract__ = True
    metadata = MetaData()
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Sample(SampleResource):
    __tablename__ = "samples"

    day: Mapped[date]
    price: Mapped[Decimal]
    weight: Mapped[float]
    colour: Mapped[Colour]
    count: Mapped[int]
    name: Mapped[str | None] = mapped_column()


class Samples(Reader[Sample]):
    model = Sample
    sorts = sorts_on(
        Sample.day, Sample.price, Sample.weight, Sample.colour, Sample.count, Sample.name,
        Sample.created_at,
    )  # fmt: skip
    filters = {  # noqa: RUF012 - a declaration, never changed
        "name": filter_on(Sample.name.expression),
        "count": filter_on(Sample.count.expression),
    }


READER = Samples()
ROW: dict[str, Any] = {
    "id": UUID(int=7),
    "day": date(2026, 11, 2),
    "price": Decimal("12.50"),
    "weight": 1.5,
    "colour": Colour.BLUE,
    "count": 2**53 + 1,
    "name": None,
    "created_at": datetime(2026, 11, 2, 9, 0, 0, 1, UTC),
}
NAMES = [name for name in ROW if name != "id"]


def test_a_cursor_restores_every_type() -> None:
    """The values of the row, with the types of its columns."""
    query = Query(sort=tuple(Sort(name) for name in NAMES))
    place = query.after_row(ROW.__getitem__)
    cursor = Cursors("secret").of(place, query, "/samples")
    after = Cursors("secret").after(cursor, query, READER, "/samples")
    assert after == tuple(ROW[name] for name in (*NAMES, "id"))
    assert list(map(type, after)) == [type(ROW[name]) for name in (*NAMES, "id")]


@pytest.mark.parametrize(
    ("secret", "query", "name"),
    [
        ("other", Query(), "/samples"),
        ("secret", Query(), "/others"),
        ("secret", Query(sort=(Sort("created_at"),)), "/samples"),
        ("secret", Query(search="x"), "/samples"),
        ("secret", Query(filters={"count": 1}), "/samples"),
        ("secret", Query(include_deleted=True), "/samples"),
    ],
)
def test_a_cursor_fits_its_own_list_alone(secret: str, query: Query, name: str) -> None:
    """Another secret, list, sort, search or filter is refused."""
    cursor = Cursors("secret").of([ROW["created_at"], ROW["id"]], Query(), "/samples")
    with pytest.raises(InvalidCursor):
        Cursors(secret).after(cursor, query, READER, name)


def test_sorts_and_filters_are_read_from_text() -> None:
    """An unknown name, a repeated one or a wrong value is refused with its parameter."""
    assert parse_sort(READER, "-day,name") == (Sort("day", descending=True), Sort("name"))
    assert parse_filter(READER, "count__in", "1,2") == [1, 2]
    assert parse_filter(READER, "name__is_null", "true") is True
    for name, text in (("count", "x"), ("count", ""), ("nope", "1"), ("count__in", "1," * 100)):
        with pytest.raises(InvalidCriterion) as caught:
            parse_filter(READER, name, text)
        assert caught.value.parameter == name
    for text in ("nope", "day,-day", ""):
        with pytest.raises(InvalidCriterion):
            parse_sort(READER, text)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_date, "2026-11-02", date(2026, 11, 2)),
        (parse_decimal, "-12.50", Decimal("-12.50")),
        (parse_float, "1e-3", 0.001),
        (parse_date, "2026-13-02", None),
        (parse_date, "20261102", None),
        (parse_decimal, "NaN", None),
        (parse_decimal, "1e5", None),
        (parse_float, "1e999", None),
        (parse_float, "inf", None),
    ],
)
def test_numbers_and_dates_have_one_form(parse: Any, text: str, expected: object) -> None:
    """None stands for a ValueError."""
    if expected is None:
        with pytest.raises(ValueError, match=r"It must be|month must be"):
            parse(text)
    else:
        assert parse(text) == expected
        assert not isinstance(expected, float) or math.isfinite(expected)

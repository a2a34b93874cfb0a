"""What is compiled from a schema gives just what marshmallow gives, and fails just as it does."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields

from app.api.kit.compiled import Dump, Load
from app.api.kit.fields import Id
from app.api.kit.items import Items, ItemsSchema
from app.api.kit.schemas import StrictSchema
from app.api.schemas.tasks import FailureSchema, TaskAttemptSchema
from tests.outcomes import check_dump, check_load
from tests.schemas import ODD, bodies, broken, every_schema, records, thorough

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SCHEMAS = [*every_schema(), ItemsSchema, StrictSchema]
of_each = pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)


class OnlyId(Schema):
    id = Id()


@cache
def dumped(kind: type[Schema]) -> tuple[Schema, Dump, SearchStrategy[list[Any]]]:
    schema = kind()
    return schema, Dump(schema), st.lists(broken(records(schema)), max_size=3)


@cache
def loaded(
    kind: type[Schema], partial_: bool | None
) -> tuple[Schema, Load, SearchStrategy[list[Any]]]:
    schema = kind(partial=partial_)
    return schema, Load(schema), st.lists(broken(bodies(schema)) | ODD, max_size=3)


@of_each
@thorough
@given(st.data())
def test_every_schema_dumps_as_marshmallow_does(kind: type[Schema], data: st.DataObject) -> None:
    """Dicts and objects, whole, with gaps, and with values of any type."""
    schema, compiled, values = dumped(kind)
    check_dump(schema, compiled, data.draw(values))


@of_each
@thorough
@given(st.data(), st.sampled_from([None, True, False]))
def test_every_schema_loads_as_marshmallow_does(
    kind: type[Schema], data: st.DataObject, partial_: bool | None
) -> None:
    """In whole and in part, with the same messages under the same indexes."""
    schema, compiled, values = loaded(kind, partial_)
    check_load(schema, compiled, data.draw(values))


@of_each
def test_no_field_is_slow_to_dump(kind: type[Schema]) -> None:
    """A new type of field is taught to `dump_fields`, or named here."""
    assert not re.findall(r": field_\d+\(record\),\n", Dump(kind()).source)


@of_each
def test_few_fields_are_slow_to_load(kind: type[Schema]) -> None:
    """Only those that take anything, or hold what is dumped alone."""
    schema = kind()
    slow = {int(number) for number in re.findall(r"value = field_(\d+)", Load(schema).source)}
    of = {type(field) for n, field in enumerate(schema.load_fields.values()) if n in slow}
    assert of <= {Items, fields.List}


@pytest.mark.parametrize("key", [uuid4(), str(uuid4()), None], ids=["id", "text", "null"])
def test_an_id_is_passed_on(monkeypatch: pytest.MonkeyPatch, key: UUID | str | None) -> None:
    """Without the field: lists read ids as text."""
    schema = OnlyId()
    monkeypatch.setattr(schema.fields["id"], "serialize", pytest.fail)
    assert Dump(schema).one({"id": key}) == {"id": key}


def test_the_page_shows_what_is_made() -> None:
    """Line by line."""
    page = (Path(__file__).parents[2] / "docs/schemas.md").read_text()
    assert Dump(TaskAttemptSchema()).source in page
    assert Load(FailureSchema()).source in page

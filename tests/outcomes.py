"""Two ways of doing the same that give the same, or fail with the same."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from marshmallow import ValidationError

from app.api.kit.json_text import to_json
from app.db.listing import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from marshmallow import Schema

    from app.api.kit.compiled import Dump, Load


def outcome(call: Callable[[], Any]) -> Any:
    """What comes of it, types and order and all; for an error all that it tells."""
    try:
        return _exact(call())
    except ValidationError as error:
        codes = repr(_exact(error.normalized_messages()))  # type: ignore[no-untyped-call] # marshmallow's
        return ValidationError, codes, _exact(error.valid_data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
        return type(error), str(error)


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return dict, [(_exact(key), _exact(inner)) for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [_exact(inner) for inner in value]
    return type(value), repr(value), getattr(value, "code", None)


def check_dump(schema: Schema, compiled: Dump, values: list[dict[str, Any]]) -> None:
    """The same values, where ids and times may be written already or not; and the same JSON."""
    for shape in (dict, lambda value: SimpleNamespace(**value)):
        shaped = [shape(value) for value in values]
        for one in shaped:
            _check_same(partial(schema.dump, one, many=False), partial(compiled.one, one))
        _check_same(partial(schema.dump, shaped, many=True), partial(compiled.many, shaped))


def _check_same(usual: Callable[[], Any], fast: Callable[[], Any]) -> None:
    assert outcome(lambda: _written(fast())) == outcome(lambda: _written(usual()))
    assert outcome(lambda: to_json(fast())) == outcome(lambda: to_json(usual()))


def _written(value: Any) -> Any:
    """The value with its ids and times as text."""
    if isinstance(value, dict):
        return {key: _written(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_written(inner) for inner in value]
    if type(value) is datetime and value.tzinfo is UTC:
        return format_timestamp(value)
    return str(value) if type(value) is UUID else value


def check_load(schema: Schema, compiled: Load, values: list[Any]) -> None:
    for one in values:
        expected = outcome(partial(schema.load, one, many=False))
        assert outcome(partial(compiled.one, one)) == expected
    expected = outcome(partial(schema.load, values, many=True))
    assert outcome(partial(compiled.many, values)) == expected

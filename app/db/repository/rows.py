"""New rows as they are sent: with the Python defaults of the model, encoded by its types."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import repeat
from typing import Any

from sqlalchemy.engine import Dialect

from ..encoding import Encode, encoder
from ..fields import check_fields, columns_of
from ..tables import Base

Rows = Sequence[Mapping[str, Any]]
Model = type[Base]


def names_of(rows: Rows) -> tuple[tuple[str, ...], frozenset[str]]:
    """The fields that rows name, and those of them that only some rows do."""
    first = rows[0].keys()
    if all(row.keys() == first for row in rows):
        return tuple(first), frozenset()
    names = sorted({name for row in rows for name in row})
    return tuple(names), frozenset(n for n in names if not all(n in row for row in rows))


def add_defaults(
    model: Model, rows: list[dict[str, Any]]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Add to each row the Python defaults of the fields that it lacks; returns as `names_of`.

    A constant that all rows lack is left to the statement.
    """
    names, partly = names_of(rows)
    check_fields(model, names)
    defaults = python_defaults(model)
    for name, default in defaults.items():
        if name in partly or (name not in names and default.is_callable):
            make = (lambda _, value=default.arg: value) if default.is_scalar else default.arg
            for row in rows:
                if name not in row:
                    row[name] = make(None)
    added = [n for n, default in defaults.items() if default.is_callable and n not in names]
    return (*names, *added), partly.difference(defaults)


def encode_rows(model: Model, rows: list[dict[str, Any]], dialect: Dialect) -> None:
    for name, encode in _encoders(model, dialect).items():
        for row in rows:
            if name in row:
                row[name] = encode(row[name])


def with_defaults(
    model: Model, names: tuple[str, ...], rows: Iterable[Sequence[Any]]
) -> tuple[tuple[str, ...], Iterable[Sequence[Any]]]:
    """As `add_defaults`, for rows that are read once and give values in the order of `names`.

    Raises ValueError for a default that is SQL: COPY evaluates none.
    """
    defaults = {n: each for n, each in python_defaults(model).items() if n not in names}
    for name, column in columns_of(model).items():
        if column.default is not None and name not in (*names, *defaults):
            raise ValueError(f"COPY needs values for {name}: its default is SQL.")
    if not defaults:
        return names, rows
    added = zip(*map(_values, defaults.values()), strict=True)
    return (*defaults, *names), ((*new, *row) for new, row in zip(added, rows, strict=False))


def _values(default: Any) -> Iterator[Any]:
    return repeat(default.arg) if default.is_scalar else map(default.arg, repeat(None))


@cache
def python_defaults(model: Model) -> dict[str, Any]:
    found = {name: column.default for name, column in columns_of(model).items()}
    return {
        name: default
        for name, default in found.items()
        if default is not None and (default.is_scalar or default.is_callable)
    }


@lru_cache(maxsize=512)
def _encoders(model: Model, dialect: Dialect) -> dict[str, Encode]:
    found = {n: encoder(c.type, dialect, json=True) for n, c in columns_of(model).items()}
    return {name: encode for name, encode in found.items() if encode is not None}

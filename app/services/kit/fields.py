"""The fields of a row, as services pass them to repositories: by the names of its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Fields = Mapping[str, object]
"""Values by the names of the model's attributes, such as `metadata_`."""

NO_ROW: Fields = MappingProxyType({})
"""No fields: of a check that has no row, or that replaces none of its fields."""


def fields_of(new: DataclassInstance) -> dict[str, object]:
    """The fields of a dataclass that are not None: an absent one gets its column's default.

    As `asdict`, without a deep copy of every value.
    """
    named = ((each.name, getattr(new, each.name)) for each in fields(new))
    return {name: value for name, value in named if value is not None}


def reference_in(values: Fields, field: str) -> UUID | None:
    """The id that a field holds; None where it is null or absent."""
    key = values.get(field)
    if key is None or isinstance(key, UUID):
        return key
    raise TypeError(f"{field} must be a UUID: {key!r}.")

"""Fields and their types in words, from the schemas of the OpenAPI document."""

from __future__ import annotations

from itertools import compress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from docs.generate.parts import code, table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    Shape = dict[str, Any]

_KNOWN = {
    "ConversationFilters": "object of filters",
    "Currency": "currency code",
    "CurrentCurrency": "currency code",
    "Money": "[Money](../api.md#money)",
}
"""Components that no page of a resource explains."""
_FORMATS = {"uuid": "UUID", "date-time": "time", "date": "date"}


def name_of(shape: Shape) -> str:
    """The name of the component that a `$ref` names."""
    return str(shape["$ref"]).rpartition("/")[2]


def named(document: Shape, name: str) -> Shape:
    found: Shape = document["components"]["schemas"].get(name, {})
    return found


def type_of(shape: Shape) -> str:
    """A type in words, such as `UUID or null`, `list of string`, or the values of an enum."""
    if "$ref" in shape:
        name = name_of(shape)
        return _KNOWN.get(name, f"[{name}](#fields-of-{name.lower()})")
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(type_of(each) for each in shape["anyOf"]))
    if "enum" in shape:
        values = [code(str(value)) for value in shape["enum"] if value is not None]
        return " or ".join([", ".join(values), *(["null"] if None in shape["enum"] else [])])
    kinds = shape.get("type", "any JSON")
    return " or ".join(
        _kind(kind, shape) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    )


def _kind(kind: str, shape: Shape) -> str:
    if kind == "array":
        return f"list of {type_of(shape.get('items', {}))}"
    if kind == "string":
        return _FORMATS.get(shape.get("format", ""), "string") + _bounds(shape, "Length", " long")
    return kind + _bounds(shape, "imum", "") if kind == "integer" else kind


def _bounds(shape: Shape, bound: str, unit: str) -> str:
    least, most = shape.get(f"min{bound}"), shape.get(f"max{bound}")
    if most is None:
        return ""
    return f", {least} to {most}{unit}" if least else f", at most {most}{unit}"


def members(shape: Shape) -> str:
    """The fields of a body, such as `{lease_token, progress?}`."""
    required = shape.get("required", [])
    names = (f"{name}{'' if name in required else '?'}" for name in shape.get("properties", {}))
    return f"`{{{', '.join(names)}}}`"


def used_by(
    document: Shape,
    names: Iterable[str],
    hidden: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[str]:
    """The components that the fields of these name, and the fields of those in turn."""
    found: list[str] = []
    for name in names:
        for key, field in named(document, name).get("properties", {}).items():
            if key in hidden.get(name, ()):
                continue
            shapes = field.get("anyOf", [field.get("items", field)])
            found += [name_of(shape) for shape in shapes if "$ref" in shape]
    found = [name for name in dict.fromkeys(found) if name not in _KNOWN]
    return found + (used_by(document, found) if found else [])


def fields(document: Shape, name: str, hidden: Collection[str] = ()) -> str:
    """A table of the fields of a resource, and how POST and PATCH take them."""
    parts = (named(document, part) for part in (name, f"New{name}", f"{name}Patch"))
    return _table(*parts, hidden=hidden)


def body_fields(document: Shape, name: str) -> str:
    """A table of the fields of a body, or of a part of one."""
    return _table({}, named(document, name), {})


def _table(shape: Shape, created: Shape, patched: Shape, *, hidden: Collection[str] = ()) -> str:
    head = ["field", "type", "POST", "PATCH", "meaning"]
    rows = [
        [f"`{field}`", *row] for field, row in _rows(shape, created, patched) if field not in hidden
    ]
    used = [any(column) for column in zip(*rows, strict=True)]
    return table(*(tuple(compress(line, used)) for line in (head, *rows)))


def _rows(shape: Shape, created: Shape, patched: Shape) -> Iterator[tuple[str, tuple[str, ...]]]:
    required = created.get("required", [])
    given = created.get("properties", {})
    changed = patched.get("properties", {})
    for name, field in (given | shape.get("properties", {})).items():
        post = "required" if name in required else "optional" if name in given else ""
        kind = type_of(field if "enum" in field else given.get(name, field))
        meaning = field.get("description", given.get(name, field).get("description", ""))
        yield name, (kind, post, "yes" if name in changed else "", meaning)

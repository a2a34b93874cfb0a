"""Named schemas of the OpenAPI document, which classes of fields declare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

Shape = dict[str, Any]
"""A JSON Schema, or another object of an OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Component:
    """A schema under a name. `uses` are the components to which its shape refers."""

    name: str
    shape: Shape
    uses: tuple[Component, ...] = ()

    @property
    def reference(self) -> Shape:
        return {"$ref": f"#/components/schemas/{self.name}"}


class ComponentField:
    """A field whose schema in the document is a component: in requests, and in responses."""

    requested: ClassVar[Component]
    responded: ClassVar[Component]

"""The field of an actor: the user, the agent or the system that did something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields
from marshmallow.utils import get_value

from app.api.kit.components import Component, ComponentField
from app.api.kit.expressions import Values, compiled_as
from app.api.kit.fields import describe
from app.domain.actors import ActorKind

if TYPE_CHECKING:
    from app.db import Record


def _actor(field: Actor, _: str, values: Values) -> str:
    parts = {"type": "kind", "id": "id", "name": "name"}
    read = [f"{key!r}: {values.value(f'{field.prefix}_{part}')}" for key, part in parts.items()]
    return f"{{{', '.join(read)}}}"


class Actor(ComponentField, fields.Field[Any]):
    """The actor, from the columns `<prefix>_kind`, `<prefix>_id` and `<prefix>_name`."""

    requested = responded = Component(
        "Actor",
        {
            "type": "object",
            "description": "The user, the agent or the system that did it. The system has no id; "
            "an erased name is null.",
            "properties": {
                "type": {
                    "type": "string",
                    "description": "The kind of actor.",
                    "enum": list(ActorKind),
                },
                "id": {
                    "type": ["string", "null"],
                    "description": "The id of the user or agent.",
                    "format": "uuid",
                },
                "name": {
                    "type": ["string", "null"],
                    "description": "The name at that time.",
                    "examples": ["Ada Desk"],
                },
            },
            "required": ["type", "id", "name"],
        },
    )

    def __init__(self, prefix: str, description: str) -> None:
        super().__init__(dump_only=True, metadata=describe(description))
        self.prefix = prefix

    @compiled_as(_actor)
    def serialize(self, attr: str, obj: Any, accessor: Any = None, **_: Any) -> Record:  # noqa: ARG002 - as marshmallow calls it
        kind, key, name = (
            get_value(obj, f"{self.prefix}_{part}") for part in ("kind", "id", "name")
        )
        return {"type": kind, "id": key, "name": name}

"""Bodies to values, as marshmallow's `load` does it."""

from __future__ import annotations

from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError
from marshmallow.decorators import POST_LOAD, PRE_LOAD, VALIDATES, VALIDATES_SCHEMA

from app.api.kit.compiled.load_fields import Fields
from app.api.kit.compiled.source import UnknownError, function, inherits, key_of

if TYPE_CHECKING:
    from app.api.kit.compiled.source import Function

_LOADING = ("load", "_do_load", "_deserialize", "_call_and_store", "handle_error", "dict_class")
_HOOKS = (PRE_LOAD, POST_LOAD, VALIDATES, VALIDATES_SCHEMA)


class Load:
    """Loads one or many, whatever the `many` of the schema.

    Only valid bodies are loaded here; marshmallow says what is wrong with all others.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def one(self, body: Any) -> Any:
        try:
            if self._is_known and type(body) is dict:
                return self.of_dict(body)
        except (UnknownError, ValidationError, ValueError):
            pass
        return self._schema.load(body, many=False)

    def many(self, bodies: Any) -> Any:
        if self._is_known and type(bodies) is list:
            one = self.one
            try:
                return [one(body) for body in bodies]
            except ValidationError:
                pass  # marshmallow collects the mistakes of all bodies, by index
        return self._schema.load(bodies, many=True)

    @property
    def source(self) -> str:
        """The function that loads a dict."""
        return Fields(self._schema, _nested).source

    @cached_property
    def of_dict(self) -> Function:
        """Raises UnknownError for a dict that only marshmallow can load."""
        fields = Fields(self._schema, _nested)
        return function("load", fields.source, fields.names)

    @cached_property
    def _is_known(self) -> bool:
        return _is_known(self._schema)


def _nested(schema: Schema) -> Function:
    """The function that loads a dict, compiled when it is called: a schema may nest itself."""
    if not _is_known(schema):
        raise UnknownError
    load = Load(schema)
    return lambda body: load.of_dict(body)  # noqa: PLW0108 - reading `of_dict` compiles it


def _is_known(schema: Schema) -> bool:
    hooks = schema._hooks  # noqa: SLF001 - marshmallow offers no public access
    named = schema.load_fields.items()
    keys = [key_of(name, field) for name, field in named]
    return (
        inherits(schema, Schema, *_LOADING)
        and not any(hooks[hook] for hook in _HOOKS)
        and isinstance(schema.partial, (bool, NoneType))
        and len(set(keys)) == len(keys)
        and not any("." in (field.attribute or name) for name, field in named)
    )

"""The body of a bulk route: `{"items": [...]}`, each item checked by itself later."""

from __future__ import annotations

from typing import Any

from app.api.kit.context import settings
from app.api.kit.fields import JSONValue, describe
from app.api.kit.schemas import StrictSchema
from app.api.kit.validators import Length


class Items(JSONValue):
    """A list of anything, as long as one request may have it."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        Length(settings().max_bulk)(value)
        return super()._deserialize(value, *args, **kwargs)


class ItemsSchema(StrictSchema):
    items = Items(required=True, metadata=describe("The new rows, each with its fields."))

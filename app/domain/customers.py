"""The conflicts of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping


class NotErasable(Conflict):
    """The customer has unfinished business; `unfinished` counts it by name."""

    code = "not-erasable"

    def __init__(self, unfinished: Mapping[str, int]) -> None:
        counted = ", ".join(f"{count} {name}" for name, count in unfinished.items())
        super().__init__(f"The customer cannot be erased: there are {counted}.")

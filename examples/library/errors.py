"""The errors of the library's rules. Those of the database come from the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unitwork.errors import ApplicationError, Conflict, Unavailable

if TYPE_CHECKING:
    from uuid import UUID


class NotFound(ApplicationError):
    code = "not-found"

    def __init__(self, resource: str, key: UUID) -> None:
        super().__init__(f"No {resource} has the id {key}.")


class InUse(Conflict):
    code = "in-use"

    def __init__(self, tables: list[str]) -> None:
        super().__init__(f"It has open {' and '.join(tables)}.")


class NoCopyLeft(Conflict):
    code = "no-copy-left"

    def __init__(self) -> None:
        super().__init__("All copies of the book are on loan or set aside.")


class CopyLeft(Conflict):
    code = "copy-left"

    def __init__(self) -> None:
        super().__init__("A copy of the book is free: borrow it.")


class TooManyLoans(Conflict):
    code = "too-many-loans"

    def __init__(self, at_most: int) -> None:
        super().__init__(f"A member has at most {at_most} books on loan.")


class AlreadyReturned(Conflict):
    code = "already-returned"

    def __init__(self) -> None:
        super().__init__("The book was returned already.")


class NotReady(Unavailable):
    """Tables or their triggers are missing."""

    code = "not-ready"

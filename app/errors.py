"""The errors that several resources raise, built on those of the data layer.

The conflicts of one resource are in its module of `app/domain`. `code` names an error for programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.errors import ApplicationError, Conflict, NotUnique
from app.wording import participle, sentence, singular, with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID


class NotFound(ApplicationError):
    code = "not-found"

    def __init__(self, resource: str, key: UUID | str) -> None:
        super().__init__(f"No {singular(resource)} {key}.")
        self.resource = resource
        self.key = key


class Unauthenticated(ApplicationError):
    code = "unauthenticated"


class InvalidToken(Unauthenticated):
    """The token is malformed, unknown, revoked or expired, or its owner is not active."""


class Forbidden(ApplicationError):
    code = "forbidden"


class RateLimited(ApplicationError):
    """A token, or an address, has sent too many requests; `wait` is in seconds."""

    code = "rate-limited"

    def __init__(self, detail: str, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait


class AlreadyExists(NotUnique):
    """`find_existing` reads the id of the row that has the value, in a unit of work of its own."""

    find_existing: Callable[[], UUID | None] | None = None

    def __init__(self, resource: str, fields: tuple[str, ...]) -> None:
        super().__init__(resource, fields)
        what = with_article(singular(resource))
        self.args = (sentence(f"{what} with this {' and '.join(fields)} exists already."),)

    def existing_id(self) -> UUID | None:
        """The id of the row that has the value, None where it is unknown.

        To be called once the unit of work that failed has ended.
        """
        return None if self.find_existing is None else self.find_existing()


class InUse(Conflict):
    code = "in-use"

    def __init__(self, resource: str, dependants: Iterable[str]) -> None:
        self.dependants = tuple(dependants)
        named = ", ".join(self.dependants)
        super().__init__(f"The {singular(resource)} cannot be deleted: {named} refer to it.")


class NotDeleted(Conflict):
    code = "not-deleted"


class ParentDeleted(Conflict):
    """A row cannot be restored while a row that it refers to is deleted."""

    code = "parent-deleted"

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        super().__init__(f"{' and '.join(self.fields)} refers to a deleted row: restore it first.")


class InvalidTransition(Conflict):
    """The state does not allow this action; `allowed` are the actions that it allows."""

    code = "invalid-transition"

    def __init__(self, noun: str, action: str, state: str, allowed: Iterable[str]) -> None:
        """`noun` is what one row is called, such as `account`."""
        self.facts = {"from": state, "allowed": sorted(allowed)}
        what = with_article(f"{state} {noun}")
        super().__init__(sentence(f"{what} cannot be {participle(action)}."))

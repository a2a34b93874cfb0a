"""The errors of Caseload itself, on those of the data layer. `code` names each for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.errors import ApplicationError, Conflict, NotUnique, VersionMismatch
from app.wording import participle, sentence, singular, with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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
    """A token was shown, and it is malformed, unknown, revoked, expired or of nobody active."""


class Forbidden(ApplicationError):
    code = "forbidden"


class RateLimited(ApplicationError):
    """A token, or an address, has sent too many requests; `wait` is in seconds."""

    code = "rate-limited"

    def __init__(self, detail: str, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait


class AlreadyExists(NotUnique):
    """`find_holder` reads the id of the row that has the value, in a unit of work of its own."""

    find_holder: Callable[[], UUID | None] | None = None

    def __init__(self, resource: str, fields: tuple[str, ...]) -> None:
        super().__init__(resource, fields)
        what = with_article(singular(resource))
        self.args = (sentence(f"{what} with this {' and '.join(fields)} exists already."),)

    def holder(self) -> UUID | None:
        """The id of the row that has the value, None where it is unknown.

        To be called once the unit of work that failed has ended.
        """
        return None if self.find_holder is None else self.find_holder()


class InUse(Conflict):
    code = "in-use"

    def __init__(self, resource: str, dependants: Iterable[str]) -> None:
        self.dependants = tuple(dependants)
        named = ", ".join(self.dependants)
        super().__init__(f"The {singular(resource)} cannot be deleted: {named} refer to it.")


class NotDeleted(Conflict):
    code = "not-deleted"


class ParentDeleted(Conflict):
    """A row can't come back while what it refers to is deleted."""

    code = "parent-deleted"

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        super().__init__(f"{' and '.join(self.fields)} refers to a deleted row: restore it first.")


class InvalidTransition(Conflict):
    """The state does not allow this action; `allowed` names those that it does."""

    code = "invalid-transition"

    def __init__(self, noun: str, action: str, state: str, allowed: Iterable[str]) -> None:
        """`noun` is what one row is called, such as `account`."""
        self.facts = {"from": state, "allowed": sorted(allowed)}
        what = with_article(f"{state} {noun}")
        super().__init__(sentence(f"{what} cannot be {participle(action)}."))


class CountMismatch(Conflict):
    """There are more or fewer than the caller expected; nothing was done."""

    code = "count-mismatch"

    def __init__(self, expected: int, count: int) -> None:
        self.facts = {"expected": expected, "count": count}
        super().__init__(f"The request expects {expected} and there are {count}.")


class LeaseLost(Conflict):
    """The lease token is not, or no longer, the one under which the task runs."""

    code = "lease-lost"

    def __init__(self) -> None:
        super().__init__("The task does not run under this lease token.")


class TaskCycle(Conflict):
    code = "task-cycle"

    def __init__(self) -> None:
        super().__init__("A task cannot be below itself.")


class TaskTooDeep(Conflict):
    """A task can't come back to where it was: the tasks above it were moved down meanwhile."""

    code = "task-too-deep"

    def __init__(self, most: int) -> None:
        super().__init__(f"Tasks are at most {most} levels deep.")


class OpenSubtasks(Conflict):
    code = "open-subtasks"

    def __init__(self) -> None:
        super().__init__("A task cannot be completed before its sub-tasks have ended.")


class ParentFinished(Conflict):
    code = "parent-finished"

    def __init__(self) -> None:
        super().__init__("The parent must be a pending or running task that nobody has cancelled.")


class ConversationMerged(Conflict):
    """It goes on in another conversation."""

    code = "conversation-merged"

    def __init__(self, into: UUID) -> None:
        self.facts = {"merged_into_id": str(into)}
        super().__init__(f"The conversation was merged into {into}.")


class ExternalIdReused(Conflict):
    """The external_id is that of another message, of which nothing is reported."""

    code = "external-id-reused"

    def __init__(self) -> None:
        super().__init__("Another message of this channel has this external_id.")
        self.paths = (("external_id",),)


class MergeIntoItself(Conflict):
    code = "merge-into-itself"

    def __init__(self) -> None:
        super().__init__("A conversation cannot be merged into itself.")


class CustomerMismatch(Conflict):
    code = "customer-mismatch"

    def __init__(self) -> None:
        super().__init__("The conversations belong to different customers.")


class AccountNotEmpty(Conflict):
    code = "account-not-empty"

    def __init__(self) -> None:
        super().__init__(
            "Only an account with a zero balance and no pending transactions can be closed."
        )


class AccountClosed(Conflict):
    code = "account-closed"

    def __init__(self) -> None:
        super().__init__("The account is closed.")


class AccountFrozen(Conflict):
    code = "account-frozen"

    def __init__(self) -> None:
        super().__init__("The account is frozen: no money goes in or out.")


class InsufficientFunds(Conflict):
    code = "insufficient-funds"

    def __init__(self) -> None:
        super().__init__("The account would be below its overdraft limit.")


class BalanceOutOfRange(Conflict):
    code = "balance-out-of-range"

    def __init__(self) -> None:
        super().__init__("The balance would be larger than the database can store.")


class CurrencyMismatch(Conflict):
    code = "currency-mismatch"

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"The currencies differ: {one} and {other}.")


class ApprovalRequired(Conflict):
    code = "approval-required"

    def __init__(self) -> None:
        super().__init__("A second user must approve the transaction first.")


class AlreadyReversed(Conflict):
    code = "already-reversed"

    def __init__(self) -> None:
        super().__init__("The transaction is reversed already.")


class ReferenceReused(Conflict):
    """The reference is that of another transaction, with other content."""

    code = "reference-reused"

    def __init__(self) -> None:
        super().__init__("Another transaction, with other content, has this reference.")


class IdempotencyInProgress(Conflict):
    code = "idempotency-in-progress"


class AnswerGone(Conflict):
    """The request was carried out; what it was answered was erased, or is sealed for good."""

    code = "idempotency-answer-gone"


class KeyReused(ApplicationError):
    """The key of an earlier request came with another one."""

    code = "idempotency-key-reused"


class LastAdmin(Conflict):
    code = "last-admin"

    def __init__(self) -> None:
        super().__init__("The last active admin cannot be deactivated, demoted or deleted.")


class NotErasable(Conflict):
    """A customer whom the firm still has to know."""

    code = "not-erasable"

    def __init__(self, unfinished: Mapping[str, int]) -> None:
        counted = ", ".join(f"{count} {name}" for name, count in unfinished.items())
        super().__init__(f"The customer cannot be erased: there are {counted}.")


class ConversationMismatch(VersionMismatch):
    """The conversation has another version, or another last message, than the caller expected."""

    def __init__(self, current: int, last_message: int) -> None:
        super().__init__(current)
        self.args = (
            f"The current version is {current}, and the last message is number {last_message}.",
        )

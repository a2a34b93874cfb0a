"""The errors that callers are expected to handle. They know no HTTP; `code` names the problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from app.wording import participle, sentence, singular, with_article

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with the input; `path` leads to it from the top of the body."""

    path: tuple[str | int, ...]
    code: str
    detail: str


class CaseloadError(Exception):
    """`facts` are members of the problem that clients get, beside its message."""

    code: ClassVar[str]
    facts: Mapping[str, Any] = MappingProxyType({})


class NotFound(CaseloadError):
    code = "not-found"

    def __init__(self, resource: str, key: UUID | str) -> None:
        super().__init__(f"No {singular(resource)} {key}.")
        self.resource = resource
        self.key = key


class Unauthenticated(CaseloadError):
    code = "unauthenticated"


class InvalidToken(Unauthenticated):
    """A token was shown, and it is malformed, unknown, revoked, expired or of nobody active."""


class Forbidden(CaseloadError):
    code = "forbidden"


class RateLimited(CaseloadError):
    """A token, or an address, has sent too many requests; `wait` is in seconds."""

    code = "rate-limited"

    def __init__(self, detail: str, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait


MOST_MISTAKES = 100
"""The most that one answer lists."""

_LONGEST_STEP = 200  # characters of a client's key in a path


class Invalid(CaseloadError):
    """The input is well-formed and wrong. `mistakes` has one more than an answer lists, at most.

    What finds them is an iterator where there may be many: it is not asked for more.
    """

    code = "validation-error"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(map(_shortened, islice(mistakes, MOST_MISTAKES + 1)))
        super().__init__("; ".join(f"{_dotted(m.path)}: {m.detail}" for m in self.mistakes))


class UnknownReference(Invalid):
    """A value of the input refers to a row that is missing or deleted."""

    def __init__(self, *path: str | int) -> None:
        super().__init__(
            [Mistake(path, "unknown-reference", "It refers to a row that does not exist.")]
        )


class InvalidCriterion(CaseloadError):
    """A filter, sort or operator that is not declared, or a value that does not fit it."""

    code = "invalid-parameter"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}")
        self.parameter = parameter
        self.detail = detail


class InvalidCursor(InvalidCriterion):
    code = "invalid-cursor"


class Conflict(CaseloadError):
    """The state of the rows does not allow the request; `paths` lead to the fields concerned."""

    paths: tuple[tuple[str | int, ...], ...] = ()

    def at(self, *paths: tuple[str | int, ...]) -> Self:
        """The same error, about these places of the body."""
        self.paths = paths
        return self


class AlreadyExists(Conflict):
    code = "already-exists"

    def __init__(self, resource: str, fields: tuple[str, ...]) -> None:
        what = with_article(singular(resource))
        super().__init__(sentence(f"{what} with this {' and '.join(fields)} exists already."))
        self.resource = resource
        self.fields = fields
        self.paths = tuple((field,) for field in fields)


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


class TooManyRows(Conflict):
    """A mass write found more rows than it was allowed to change; nothing was done."""

    code = "too-many-rows"

    def __init__(self, at_most: int) -> None:
        super().__init__(f"The write would change more than {at_most} rows.")
        self.at_most = at_most


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


class KeyReused(CaseloadError):
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


class VersionMismatch(CaseloadError):
    """The row has another version, or another last message, than the caller expected."""

    code = "precondition-failed"

    def __init__(self, current: int, last_message: int | None = None) -> None:
        last = "" if last_message is None else f", and the last message is number {last_message}"
        super().__init__(f"The current version is {current}{last}.")


class Unavailable(CaseloadError):
    """Nothing is wrong with the request: the same one may succeed later.

    `causes` are the errors of the attempts that were made before.
    """

    causes: tuple[Unavailable, ...] = ()


class DatabaseUnreachable(Unavailable):
    code = "database-unavailable"


class ConnectionLost(Unavailable):
    code = "connection-lost"


class PoolExhausted(Unavailable):
    code = "pool-exhausted"


class StatementTimeout(Unavailable):
    code = "statement-timeout"


class LockTimeout(Unavailable):
    code = "lock-timeout"


class Contention(Unavailable):
    """A deadlock or a serialisation failure: another unit of work won."""

    code = "contention"


class OutcomeUnknown(Unavailable):
    """The connection was lost during COMMIT: the work is done in full, or not at all."""

    code = "outcome-unknown"


class NotPermitted(CaseloadError):
    """The database's user lacks a right: the service is set up so, and nothing was done."""

    code = "not-permitted"


class ReadOnlyViolation(CaseloadError):
    """A unit of work that was opened read-only tried to write: a bug of ours."""

    code = "internal-error"


def _shortened(mistake: Mistake) -> Mistake:
    """With a path that can be repeated in an answer, however long the keys are that were sent."""
    if all(isinstance(step, int) or len(step) <= _LONGEST_STEP for step in mistake.path):
        return mistake
    path = (step if isinstance(step, int) else _cut(step) for step in mistake.path)
    return replace(mistake, path=tuple(path))


def _cut(key: str) -> str:
    return key if len(key) <= _LONGEST_STEP else f"{key[:_LONGEST_STEP]}\N{HORIZONTAL ELLIPSIS}"


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path)) or "body"

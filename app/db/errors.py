"""The errors that callers of the layer are expected to handle. `code` names each for programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in the input; `path` leads to it from the top of the body."""

    path: tuple[str | int, ...]
    code: str
    detail: str


class ApplicationError(Exception):
    """`facts` are for programs, as the message is for people: an API adds them to its response."""

    code: ClassVar[str]
    facts: Mapping[str, Any] = MappingProxyType({})

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: a subclass's constructor takes other arguments than the message."""
        return _without_constructor, (type(self), *self.args), self.__dict__


def _without_constructor(kind: type[ApplicationError], *arguments: Any) -> ApplicationError:
    return kind.__new__(kind, *arguments)


MOST_MISTAKES = 100
"""The most mistakes that one response lists."""

_LONGEST_STEP = 200  # characters of a client's key in a path


class Invalid(ApplicationError):
    """The input is well-formed and wrong. `mistakes` has one more than a response lists, at most.

    An iterator over many mistakes is read no further.
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


class InvalidCriterion(ApplicationError):
    """A filter, sort or operator that is not declared, or a value that does not fit it."""

    code = "invalid-parameter"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}")
        self.parameter = parameter
        self.detail = detail


class InvalidCursor(InvalidCriterion):
    code = "invalid-cursor"


class Conflict(ApplicationError):
    """The state of the rows does not allow the request; `paths` lead to the fields concerned."""

    paths: tuple[tuple[str | int, ...], ...] = ()

    def at(self, *paths: tuple[str | int, ...]) -> Self:
        """The same error, about these places of the body."""
        self.paths = paths
        return self


class NotUnique(Conflict):
    """A live row has the value, or the values, of these fields already."""

    code = "already-exists"

    def __init__(self, resource: str, fields: tuple[str, ...]) -> None:
        super().__init__(f"Another row of {resource} has this {' and '.join(fields)}.")
        self.resource = resource
        self.fields = fields
        self.paths = tuple((field,) for field in fields)


class StillReferenced(Conflict):
    """Rows of another table refer to the row that was to be removed, or to change its key.

    PostgreSQL reports it by the foreign key's name, as it does an unknown reference. Only its
    message says which of the two it is, so in another language than English it is
    UnknownReference.
    """

    code = "in-use"

    def __init__(self, table: str) -> None:
        super().__init__(f"Rows of {table} refer to it.")
        self.table = table


class TooManyRows(Conflict):
    """A mass write found more rows than it was allowed to change; nothing was done."""

    code = "too-many-rows"

    def __init__(self, at_most: int) -> None:
        super().__init__(f"The write would change more than {at_most} rows.")
        self.at_most = at_most


class VersionMismatch(ApplicationError):
    """The row has another version than the caller expected."""

    code = "precondition-failed"

    def __init__(self, current: int) -> None:
        super().__init__(f"The current version is {current}.")
        self.current = current


class Unavailable(ApplicationError):
    """Nothing is wrong with the request: the same one may succeed later.

    `causes` are the errors of the earlier attempts.
    """

    causes: tuple["Unavailable", ...] = ()


class DatabaseUnreachable(Unavailable):
    code = "database-unavailable"


class ConnectionLost(Unavailable):
    code = "connection-lost"


class PoolExhausted(Unavailable):
    code = "pool-exhausted"


class StatementTimeout(Unavailable):
    code = "statement-timeout"


class StatementCancelled(Unavailable):
    """Somebody cancelled the statement, as `pg_cancel_backend` does."""

    code = "statement-cancelled"


class LockTimeout(Unavailable):
    code = "lock-timeout"


class Contention(Unavailable):
    """A deadlock or a serialisation failure: another unit of work won."""

    code = "contention"


class StaleObject(Contention):
    """An object from outside the unit is out of date. Nothing retries it: the caller has to read
    the row again."""


class OutcomeUnknown(Unavailable):
    """The connection was lost during COMMIT: the work is done in full, or not at all."""

    code = "outcome-unknown"


class NotPermitted(ApplicationError):
    """The database's user lacks a right: the service is set up so, and nothing was done."""

    code = "not-permitted"


class ReadOnlyViolation(ApplicationError):
    """A unit of work that was opened read-only tried to write: a bug of ours."""

    code = "internal-error"


class UnitOfWorkError(RuntimeError):
    """The unit of work was used against its rules: a bug, not something to handle."""


class UnitRolledBack(UnitOfWorkError):
    """The caller caught an error of the unit and went on: nothing of the unit was done."""

    @classmethod
    def after(cls, cause: BaseException) -> Self:
        """The message names the function that caught the cause: its traceback begins there."""
        where = "raised"
        if cause.__traceback__ is not None:
            code = cause.__traceback__.tb_frame.f_code
            place = f"{code.co_filename}:{cause.__traceback__.tb_lineno}"
            where = f"caught in {code.co_qualname} ({place})"
        return cls(
            f"The unit of work can only roll back: {type(cause).__name__} was {where}."
            " To go on after an error, put the work that may fail into"
            " `with database.savepoint():` and catch the error outside of that block."
        )


def _shortened(mistake: Mistake) -> Mistake:
    """With a path that can be repeated in a response, however long the keys are that were sent."""
    if all(isinstance(step, int) or len(step) <= _LONGEST_STEP for step in mistake.path):
        return mistake
    path = (step if isinstance(step, int) else _cut(step) for step in mistake.path)
    return replace(mistake, path=tuple(path))


def _cut(key: str) -> str:
    return key if len(key) <= _LONGEST_STEP else f"{key[:_LONGEST_STEP]}\N{HORIZONTAL ELLIPSIS}"


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path)) or "body"

"""The unit of work as its own parts see it: its connection, its cursors, its owner, coherence."""

from typing import Protocol

from .modes import Mode
from .session import UnitSession


class OpenUnit(Protocol):
    mode: Mode
    session: UnitSession | None
    closed: bool

    @property
    def may_end(self) -> bool: ...

    def open_transaction(self) -> None: ...

    def open_session(self) -> UnitSession: ...

    def check_alive(self) -> None: ...

    def check_has_savepoints(self) -> None: ...

    def set_savepoint(self, name: str) -> None: ...

    def undo_savepoint(self, name: str) -> None: ...

    def fail(self, cause: BaseException, savepoints: int | None = None) -> None: ...

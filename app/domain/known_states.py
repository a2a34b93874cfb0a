"""The state of a row as a caller knows it: its version, and perhaps a number of other changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from app.db.errors import VersionMismatch

if TYPE_CHECKING:
    from collections.abc import Iterable


class StateMismatch(VersionMismatch):
    """The row has another version, or another number, than the caller expected."""

    def __init__(self, current: int, number: int) -> None:
        super().__init__(current)
        self.args = (f"The current version is {current}:{number}.",)


class KnownStates(frozenset[int]):
    """Versions, some of them known together with a number of changes that do not raise the version.

    Of a conversation the number is that of its last message. As a set it holds the versions alone.
    """

    _states: frozenset[tuple[int, int | None]]

    def __new__(cls, states: Iterable[tuple[int, int | None]]) -> Self:
        states = frozenset(states)
        known = super().__new__(cls, (version for version, _ in states))
        known._states = states
        return known

    def at(self, number: int) -> frozenset[int]:
        """The versions that are known with this number, or without any."""
        return frozenset(version for version, known in self._states if known in (None, number))

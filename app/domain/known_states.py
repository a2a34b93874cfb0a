"""What a caller knows of a row: its version, and what may differ while the version stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


class KnownStates(frozenset[int]):
    """Versions, some of them known together with a number that moves no version.

    Of a conversation the number is that of its last message. As a set it holds the versions alone.
    """

    _states: frozenset[tuple[int, int | None]]

    def __new__(cls, states: Iterable[tuple[int, int | None]]) -> Self:
        states = frozenset(states)
        known = super().__new__(cls, (version for version, _ in states))
        known._states = states
        return known

    def at(self, number: int) -> frozenset[int]:
        """Those of the versions that are known with this number, or without any."""
        return frozenset(version for version, known in self._states if known in (None, number))

"""Keeps the statements of lists that are asked for most often, at most a fixed number of them.

A list of other filters or sorts is another statement, and clients choose them. Building and
compiling one takes about 2 ms and, kept, about 60 KiB. A statement that is asked for rarely must
neither take memory for good nor displace one that is asked for often.
"""

import threading
from collections.abc import Callable, Hashable

from ..prepared import Prepared


class ShapeCache:
    """Keeps `size` statements.

    When it is full, a new statement replaces the one that was asked for least often, if it was
    itself asked for more often. All counts are halved after every `10 * size` requests.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[Hashable, Prepared] = {}
        self._asked: dict[Hashable, int] = {}
        self._until_halved = self._period = 10 * size
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def get(self, key: Hashable, build: Callable[[], Prepared]) -> Prepared:
        with self._lock:
            self._count(key)
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        built = build()
        with self._lock:
            return self._kept.setdefault(key, built) if self._make_room(key) else built

    def _count(self, key: Hashable) -> None:
        self._asked[key] = self._asked.get(key, 0) + 1
        self._until_halved -= 1
        if not self._until_halved:
            halves = {each: count // 2 for each, count in self._asked.items()}
            self._asked = {each: half for each, half in halves.items() if half}
            self._until_halved = self._period

    def _make_room(self, key: Hashable) -> bool:
        """Whether this statement is to be kept; another one makes room for it."""
        if key in self._kept or len(self._kept) < self._size:
            return True
        rarest = min(self._kept, key=lambda each: self._asked.get(each, 0))
        if self._asked.get(key, 0) <= self._asked.get(rarest, 0):
            return False
        del self._kept[rarest]
        return True

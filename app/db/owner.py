"""The owner of a unit of work: one thread, one asyncio task, one process."""

from __future__ import annotations

import logging
from asyncio import Task, _get_running_loop, current_task
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from os import getpid
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from .unit import UnitOfWork

logger = logging.getLogger(__name__)


class Owner:
    """Opens units of work, one per Database, and joins its own alone.

    `retrying` is set while `Database.run` or `@retry` may call the same work again, and
    `committed` as soon as that work has committed a unit, of any Database.
    """

    __slots__ = ("_process", "_task", "_thread", "committed", "retrying", "units")

    def __init__(self) -> None:
        self._process = getpid()
        self._thread = get_ident()
        self._task = _current_task()
        self.units: dict[object, UnitOfWork] = {}
        self.retrying = False
        self.committed = False

    @property
    def is_current(self) -> bool:
        return (
            self._thread == get_ident()
            and self._process == getpid()
            and self._task == _current_task()
        )

    @property
    def is_in_this_process(self) -> bool:
        return self._process == getpid()

    def call_hooks(self, hooks: Iterable[Callable[[], None]]) -> None:
        """Those of a unit that has committed. They are no part of its work, so they may retry."""
        retrying, self.retrying = self.retrying, False
        for hook in hooks:
            try:
                hook()
            except Exception:
                logger.exception("A hook failed after the commit.")
        self.retrying = retrying

    def __str__(self) -> str:
        task = "" if self._task is None else ", an asyncio task"
        return f"process {self._process}, thread {self._thread}{task}"


# A new task or thread may start with a copy of another one's context, and so see its owner.
_owner: ContextVar[Owner] = ContextVar("owner")


def current_owner() -> Owner:
    owner = _owner.get(None)
    if owner is None or not owner.is_current:
        owner = Owner()
        _owner.set(owner)
    return owner


def _current_task() -> ref[Task[Any]] | None:
    """A weak reference: tasks that the task starts keep its context, and with it the owner."""
    if _get_running_loop() is None:
        return None
    task = current_task()
    return None if task is None else ref(task)

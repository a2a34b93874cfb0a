"""The owner of a unit of work: one thread, one asyncio task, one process.

Also the generator that opened a unit, if one did: the loop over the generator must not write in
that unit. Python closes a generator when a loop leaves it early, which rolls its unit back, and no
error that is raised then reaches the code around the loop.
"""

from __future__ import annotations

import logging
import sys
from asyncio import Task, _get_running_loop, current_task
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from os import getpid
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

if TYPE_CHECKING:
    from .open_unit import OpenUnit

logger = logging.getLogger(__name__)

_GENERATOR = CO_GENERATOR | CO_ASYNC_GENERATOR


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
        self.units: dict[object, OpenUnit] = {}
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
        """Call them once their unit has committed. They are no part of it, so they may retry."""
        retrying, self.retrying = self.retrying, False
        try:
            for hook in hooks:
                try:
                    hook()
                except Exception:
                    logger.exception("A hook failed after the commit.")
        finally:
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


class OpeningGenerator(NamedTuple):
    """The generator that opened a unit, and the function that iterates over it.

    Of a generator that is a context manager the latter is contextlib's, which has returned by
    the time that its `with` block runs.
    """

    frame: FrameType
    consumer: FrameType | None

    @property
    def is_suspended(self) -> bool:
        return not _is_running(self.frame)

    @property
    def is_iterated(self) -> bool:
        return self.consumer is not None and _is_running(self.consumer)

    def __str__(self) -> str:
        return f"the generator {self.frame.f_code.co_qualname}"


def opening_generator(depth: int) -> OpeningGenerator | None:
    """The generator that runs `depth` calls above the caller; None where that is a function."""
    frame = sys._getframe(depth + 1)  # noqa: SLF001 - inspect.stack takes ten times as long
    while frame.f_globals["__name__"] == "contextlib" and frame.f_back is not None:
        frame = frame.f_back  # ExitStack.enter_context
    if not frame.f_code.co_flags & _GENERATOR:
        return None
    consumer = frame.f_back
    while consumer is not None and consumer.f_code.co_flags & _GENERATOR:
        consumer = consumer.f_back
    return OpeningGenerator(frame, consumer)


def _is_running(frame: FrameType) -> bool:
    current: FrameType | None = sys._getframe(1)  # noqa: SLF001 - same
    while current is not None and current is not frame:
        current = current.f_back
    return current is not None

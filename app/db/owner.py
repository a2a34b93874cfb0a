"""The owner of a unit of work: one thread, one asyncio task, one process."""

from __future__ import annotations

from asyncio import _get_running_loop, current_task
from contextvars import ContextVar
from os import getpid
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from asyncio import Task

    from .unit import UnitOfWork

    Identity = tuple[int, int, ref[Task[Any]] | None]


class Owner:
    """Opens units of work, one per Database, and joins its own alone.

    `retrying` is set while `Database.run` or `@retry` may call the same work again, and
    `committed` as soon as that work has committed a unit, of any Database.
    """

    __slots__ = ("_identity", "committed", "retrying", "units")

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.units: dict[object, UnitOfWork] = {}
        self.retrying = False
        self.committed = False

    @property
    def is_current(self) -> bool:
        return self._identity == _current_identity()

    @property
    def is_in_this_process(self) -> bool:
        return self._identity[0] == getpid()

    def __str__(self) -> str:
        process, thread, task = self._identity
        return f"process {process}, thread {thread}{'' if task is None else ', an asyncio task'}"


# A new task or thread may start with a copy of another one's context, and so see its owner.
_owner: ContextVar[Owner] = ContextVar("owner")


def current_owner() -> Owner:
    owner = _owner.get(None)
    if owner is None or not owner.is_current:
        owner = Owner(_current_identity())
        _owner.set(owner)
    return owner


def _current_identity() -> Identity:
    task = None if _get_running_loop() is None else current_task()
    return getpid(), get_ident(), None if task is None else ref(task)

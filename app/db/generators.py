"""Units of work that a generator opens: the loop over the generator must not write in them.

Python closes a generator when a loop leaves it early, which rolls its unit back, and no error
that is raised then reaches the code around the loop.
"""

import sys
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import FrameType
from typing import NamedTuple

_GENERATOR = CO_GENERATOR | CO_ASYNC_GENERATOR


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
    frame = sys._getframe(depth + 1)  # noqa: SLF001 - inspect's way takes ten times as long
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

"""Code that runs elsewhere than the test: on another thread, or in a forked child."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_a_thread(call: Callable[[], object]) -> list[BaseException]:
    """The error that the call raised on a thread of its own, if it raised one."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors


def in_a_child(call: Callable[[], object]) -> str:
    """The name of the error that the call raised in a forked child."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        name = "none"
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the parent reads its name
            name = type(error).__name__
        finally:
            os.write(writer, name.encode())
            os._exit(0)
    os.wait()
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return pipe.read()

"""Random work at the desk, over HTTP, against a model that was written from the documentation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    initialize,
    run_state_machine_as_test,
)

from app.db import Database
from tests.client import Client
from tests.desk_machine.endings import EndingRules
from tests.desk_machine.model import Work


class Desk(EndingRules):
    """Each rule does one step on both sides, and says what may be refused and which rows change.

    The rules are in `tests.desk_machine`.
    """

    @initialize()
    def begin(self) -> None:
        """With something to work on."""
        self.open(0, "email", None)
        self.open(0, "email", ("e1",))
        self.agree()  # what is touched is looked at step by step
        for priority, conversation in ((5, None), (2, next(iter(self.talks)))):
            work = Work("", "b", priority, datetime.now(UTC), conversation=conversation)
            self._create(self.staff, work, set())


def test_the_desk_does_what_its_documentation_says(
    database: Database,
    empty: Callable[[], None],
    sql: Callable[..., list[tuple[Any, ...]]],
    sign_in: Callable[..., Client],
    hire: Callable[..., Client],
) -> None:
    """Statuses, refusals, attempts, message numbers and events, after each of random steps."""

    class Machine(Desk):
        pass

    Machine.empty, Machine.sql = staticmethod(empty), staticmethod(sql)
    Machine.sign_in, Machine.hire = staticmethod(sign_in), staticmethod(hire)
    Machine.database = database
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.steps > 200

"""Random programs of Core and ORM show what the database holds, after every step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, inspect
from sqlalchemy.exc import SQLAlchemyError

from app.db import coherence, effects
from app.db.effects import NOTHING
from app.db.errors import Contention
from app.db.expiry import LoadedRows
from app.db.session import UnitOfWorkError, UnitSession
from tests.programs import STEPS, TABLES, Program, Step, check, dump

if TYPE_CHECKING:
    from app.db import Database

EXAMPLES = int(os.environ.get("RANDOM_PROGRAMS", "80"))

numbers = st.integers(0, 5)
programs = st.lists(st.tuples(st.sampled_from(STEPS), numbers, numbers), min_size=12, max_size=25)


def run(database: Database, steps: list[Step]) -> None:
    try:
        with database.session() as session:
            program = Program(database, session)
            program.run(steps)
        with database.connect() as connection:
            rows = dump(connection)
        for entity in program.loaded:
            if inspect(entity).detached:
                check(entity, rows, None)
    finally:
        with database.connect() as connection:
            for table in reversed(TABLES):
                connection.execute(delete(table))


def run_random_programs(database: Database, examples: int, *, shrink: bool = True) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize="RANDOM_PROGRAMS" not in os.environ,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(programs)
    def agree(steps: list[Step]) -> None:
        run(database, steps)

    agree()


def test_random_programs_agree_with_the_database(orders_database: Database) -> None:
    """Objects, their relationships, what is left outside the unit, and rolled-back savepoints."""
    run_random_programs(orders_database, EXAMPLES)


BREAKS: dict[str, tuple[Any, str, Any]] = {
    "expiry": (UnitSession, "expire_rows", lambda *_: None),
    "what the database adds to a flush": (coherence, "consequences", lambda *_: NOTHING),
    "savepoints of Core": (UnitSession, "follow_savepoint", lambda *_: None),
    "unrecognised statements": (effects, "is_plain_read", lambda _: True),
    "reading what will be gone": (LoadedRows, "load", lambda *_: None),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_the_random_programs_can_fail(
    orders_database: Database, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Whatever part of the coherence is broken, they find a difference."""
    monkeypatch.setattr(*BREAKS[broken])
    with pytest.raises((AssertionError, SQLAlchemyError, Contention, UnitOfWorkError)):
        run_random_programs(orders_database, EXAMPLES, shrink=False)

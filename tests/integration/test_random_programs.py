"""Random programs of Core and ORM show what the database holds, after every step.

RANDOM_PROGRAMS=10000 runs more of them.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, inspect

from app.db import coherence, effects
from app.db.effects import NOTHING
from app.db.expiry import LoadedRows
from app.db.session import UnitSession
from tests.programs import STEPS, TABLES, Program, Step, check, dump

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.db import Database

PROGRAMS = int(os.environ.get("RANDOM_PROGRAMS", "100"))


def random_program(seed: int) -> list[Step]:
    random = Random(seed)  # noqa: S311 - the same programs in every run
    length = random.randrange(5, 25)
    return [(random.choice(STEPS), random.randrange(6), random.randrange(6)) for _ in range(length)]


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


def fails(database: Database, steps: list[Step]) -> bool:
    try:
        run(database, steps)
    except Exception:  # noqa: BLE001 - no program of these may end in an error
        return True
    return False


def first_failure(database: Database, seeds: Iterable[int]) -> list[Step] | None:
    return next((s for s in map(random_program, seeds) if fails(database, s)), None)


def shortened(database: Database, steps: list[Step]) -> list[Step]:
    """Without the steps that a failure does not need."""
    for position in reversed(range(len(steps))):
        shorter = steps[:position] + steps[position + 1 :]
        if fails(database, shorter):
            steps = shorter
    return steps


def test_random_programs_agree_with_the_database(orders_database: Database) -> None:
    """Objects, their relationships, what is left outside the unit, and rolled-back savepoints."""
    failing = first_failure(orders_database, range(PROGRAMS))
    if failing is not None:
        steps = shortened(orders_database, failing)
        run(orders_database, steps)
        pytest.fail(f"It failed before: {steps}")


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
    assert first_failure(orders_database, range(400)) is not None

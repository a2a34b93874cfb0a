from __future__ import annotations

from typing import Any

from sqlalchemy.orm import DeclarativeBase

from benchmarks.peers.common import tables
from benchmarks.peers.common.events import Changes, event_of
from benchmarks.peers.fast.session import Caller, Session


class Base(DeclarativeBase): ...


class Customer(tables.CustomerColumns, Base): ...


class Account(tables.AccountColumns, Base): ...


class Transaction(tables.TransactionColumns, Base): ...


class Entry(tables.EntryColumns, Base): ...


class Task(tables.TaskColumns, Base): ...


class TaskAttempt(tables.AttemptColumns, Base): ...


class PersonalValues(tables.PersonalColumns, Base): ...


class Event(tables.EventColumns, Base): ...


def add_event(session: Session, caller: Caller, action: str, row: Any, changes: Changes) -> None:
    event, personal = event_of(caller, action, row, changes)
    values = PersonalValues(changes=personal) if personal else None
    session.add(Event(**event, personal=values))

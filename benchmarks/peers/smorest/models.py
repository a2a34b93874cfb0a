"""The models, on Flask-SQLAlchemy."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from benchmarks.peers.common import tables
from benchmarks.peers.common.events import Changes, event_of


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
Model: Any = db.Model


class Customer(tables.CustomerColumns, Model): ...


class Account(tables.AccountColumns, Model): ...


class Transaction(tables.TransactionColumns, Model): ...


class Entry(tables.EntryColumns, Model): ...


class Task(tables.TaskColumns, Model): ...


class TaskAttempt(tables.AttemptColumns, Model): ...


class PersonalValues(tables.PersonalColumns, Model): ...


class Event(tables.EventColumns, Model): ...


def new_event(action: str, row: Any, changes: Changes) -> tuple[dict[str, Any], dict[str, Any]]:
    return event_of((g.actor, g.request_id), action, row, changes)


def add_event(action: str, row: Any, changes: Changes) -> None:
    event, personal = new_event(action, row, changes)
    values = PersonalValues(changes=personal) if personal else None
    db.session.add(Event(**event, personal=values))

"""The models, on a base class of advanced-alchemy, and a service for each that is created."""

from __future__ import annotations

from typing import Any

from advanced_alchemy.base import DefaultBase
from advanced_alchemy.extensions.flask import FlaskServiceMixin
from advanced_alchemy.repository import SQLAlchemySyncRepository
from advanced_alchemy.service import SQLAlchemySyncRepositoryService
from flask import g

from benchmarks.peers.common import tables
from benchmarks.peers.common.events import Changes, event_of


class Customer(tables.CustomerColumns, DefaultBase): ...


class Account(tables.AccountColumns, DefaultBase): ...


class Transaction(tables.TransactionColumns, DefaultBase): ...


class Entry(tables.EntryColumns, DefaultBase): ...


class Task(tables.TaskColumns, DefaultBase): ...


class TaskAttempt(tables.AttemptColumns, DefaultBase): ...


class PersonalValues(tables.PersonalColumns, DefaultBase): ...


class Event(tables.EventColumns, DefaultBase): ...


class CustomerService(FlaskServiceMixin, SQLAlchemySyncRepositoryService[Customer]):
    class Repository(SQLAlchemySyncRepository[Customer]):
        model_type = Customer

    repository_type = Repository


class TransactionService(FlaskServiceMixin, SQLAlchemySyncRepositoryService[Transaction]):
    class Repository(SQLAlchemySyncRepository[Transaction]):
        model_type = Transaction

    repository_type = Repository


class TaskService(FlaskServiceMixin, SQLAlchemySyncRepositoryService[Task]):
    class Repository(SQLAlchemySyncRepository[Task]):
        model_type = Task

    repository_type = Repository


class EventService(SQLAlchemySyncRepositoryService[Event]):
    class Repository(SQLAlchemySyncRepository[Event]):
        model_type = Event

    repository_type = Repository


def new_event(action: str, row: Any, changes: Changes) -> Event:
    event, personal = event_of((g.actor, g.request_id), action, row, changes)
    values = PersonalValues(changes=personal) if personal else None
    return Event(**event, personal=values)

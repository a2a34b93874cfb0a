"""Caseload's tables for SQLAlchemy's ORM, as mixins: each framework has a base class of its own.

The database moves `version` and `updated_at`; `eager_defaults` reads them back with RETURNING.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, DateTime, FetchedValue, ForeignKey, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship
from uuid_utils.compat import uuid7

Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
JSONObject = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]


class Row:
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - read once, by SQLAlchemy

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    version: Mapped[int] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    created_at: Mapped[Moment] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[Moment] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class CustomerColumns(Row):
    __tablename__ = "customers"

    reference: Mapped[str]
    name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    attributes: Mapped[JSONObject] = mapped_column(default=dict)
    deleted_at: Mapped[Moment | None]


class AccountColumns(Row):
    __tablename__ = "accounts"

    customer_id: Mapped[UUID | None]
    currency: Mapped[str]


class TransactionColumns(Row):
    """The programs set `entries` for the answer: they have what was inserted."""

    __tablename__ = "transactions"
    __allow_unmapped__ = True

    entries: Any

    kind: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    conversation_id: Mapped[UUID | None]
    task_id: Mapped[UUID | None]
    reverses_id: Mapped[UUID | None]
    reference: Mapped[str | None]
    expires_at: Mapped[Moment | None]
    posted_at: Mapped[Moment | None]
    needs_approval: Mapped[bool] = mapped_column(default=False)
    approved_by_id: Mapped[UUID | None]
    created_by_kind: Mapped[str]
    created_by_id: Mapped[UUID | None]
    created_by_name: Mapped[str]

    @property
    def created_by(self) -> dict[str, Any]:
        return {
            "type": self.created_by_kind,
            "id": self.created_by_id,
            "name": self.created_by_name,
        }


class EntryColumns:
    """A trigger sets the id of an entry and moves the balance of its account.

    It sets the id whatever is inserted, so SQLAlchemy could not match rows that it reads back:
    entries are inserted by one INSERT without RETURNING.
    """

    __tablename__ = "entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
    transaction_id: Mapped[UUID]
    account_id: Mapped[UUID]
    currency: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)


class TaskColumns(Row):
    __tablename__ = "tasks"

    kind: Mapped[str]
    queue: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger, default=5)
    agent_id: Mapped[UUID | None]
    input: Mapped[JSONObject] = mapped_column(default=dict)
    # Every model of SQLAlchemy has an attribute `metadata` already.
    metadata_: Mapped[JSONObject] = mapped_column("metadata", default=dict)
    run_after: Mapped[Moment] = mapped_column(server_default=FetchedValue())
    max_attempts: Mapped[int] = mapped_column(SmallInteger, default=3)
    dedupe_key: Mapped[str | None]
    conversation_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(default="pending")
    attempt: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    claimed_by_id: Mapped[UUID | None]
    output: Mapped[Any] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None]
    progress: Mapped[Any] = mapped_column(JSONB(none_as_null=True))
    lease_token: Mapped[UUID | None]
    lease_seconds: Mapped[int | None]
    lease_expires_at: Mapped[Moment | None]
    started_at: Mapped[Moment | None]
    completed_at: Mapped[Moment | None]
    deleted_at: Mapped[Moment | None]
    # SQLAlchemy creates no table here: it has to know only that both are computed.
    lane: Mapped[str] = mapped_column(Computed("queue"), deferred=True)
    available_at: Mapped[Moment | None] = mapped_column(Computed("run_after"), deferred=True)


class AttemptColumns:
    __tablename__ = "task_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    task_id: Mapped[UUID]
    number: Mapped[int]
    agent_id: Mapped[UUID]
    started_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    outcome: Mapped[str | None]


class EventColumns:
    __tablename__ = "events"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID]
    object_version: Mapped[int | None]
    changes: Mapped[JSONObject]
    request_id: Mapped[str | None]

    @declared_attr
    @classmethod
    def personal(cls) -> Mapped[Any]:
        return relationship("PersonalValues", uselist=False)


class PersonalColumns:
    __tablename__ = "event_personal_values"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"), primary_key=True)
    changes: Mapped[JSONObject]

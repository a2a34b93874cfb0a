"""The schemas in pydantic, for FastAPI and for Flask with advanced-alchemy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from benchmarks.peers.common.cursors import LIMIT
from benchmarks.peers.common.money import AMOUNT, minor_units


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCustomer(Body):
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)] | None = (
        None
    )
    phone: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    attributes: dict[str, Any] = {}


class NewCustomers(Body):
    items: Annotated[list[NewCustomer], Field(min_length=1, max_length=1000)]


class PageQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = LIMIT
    cursor: str | None = None


class Money(Body):
    amount: Annotated[str, Field(pattern=AMOUNT)]
    currency: Literal["EUR", "GBP", "USD"]


class Entry(Body):
    account_id: UUID
    amount: Money


class NewTransaction(Body):
    kind: Literal["transfer", "deposit", "withdrawal", "fee", "refund"]
    description: Annotated[str, Field(max_length=500)] = ""
    entries: Annotated[list[Entry], Field(min_length=2, max_length=100)]

    @field_validator("entries")
    @classmethod
    def check_balance(cls, entries: list[Entry]) -> list[Entry]:
        if sum(minor_units(entry.amount.amount) for entry in entries):
            raise ValueError("They do not sum to zero.")
        return entries


class NewTask(Body):
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    queue: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    input: dict[str, Any] = {}
    metadata_: Annotated[dict[str, Any], Field(alias="metadata")] = {}
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3


class Claim(Body):
    queues: list[str] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 1
    lease_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60


class Completion(Body):
    lease_token: UUID
    output: Any


class Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime


class Customer(Row):
    reference: str
    name: str
    email: str | None
    phone: str | None
    attributes: dict[str, Any]


class Customers(BaseModel):
    items: list[Customer]


class CustomerPage(Customers):
    next_cursor: str | None


class Creator(BaseModel):
    type: str
    id: UUID
    name: str


class Transaction(Row):
    kind: str
    description: str
    entries: list[Entry]
    reference: str | None
    conversation_id: UUID | None
    task_id: UUID | None
    expires_at: datetime | None
    status: str
    posted_at: datetime | None
    reverses_id: UUID | None
    reversed_by_id: UUID | None = None
    needs_approval: bool
    approved_by_id: UUID | None
    created_by: Creator


class Task(Row):
    kind: str
    queue: str
    priority: int
    agent_id: UUID | None
    input: dict[str, Any]
    metadata: Annotated[dict[str, Any], Field(validation_alias="metadata_")]
    run_after: datetime
    max_attempts: int
    dedupe_key: str | None
    conversation_id: UUID | None
    parent_id: UUID | None
    status: str
    attempt: int
    cancel_requested: bool
    claimed_by_id: UUID | None
    output: Any
    error: str | None
    progress: Any
    lease_expires_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


class ClaimedTask(Task):
    lease_token: UUID


class ClaimedTasks(BaseModel):
    items: list[ClaimedTask]


def pointers_in(errors: Sequence[Mapping[str, Any]], skip: int = 0) -> list[str]:
    """Where pydantic found mistakes; `skip` leaves out the first parts of the places."""
    return ["".join(f"/{part}" for part in error["loc"][skip:]) for error in errors]

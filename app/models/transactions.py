"""The table of transactions."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Resource
from app.db.marks import HISTORY, INTERNAL, RULES
from app.domain.transactions import (
    AlreadyReversed,
    ApprovalRequired,
    TransactionKind,
    TransactionStatus,
)
from app.errors import Forbidden, InvalidTransition
from app.models.base import CHANGED, PERSONAL, one_of


class Transaction(Resource):
    """Money that moved, or is held to be moved. The amounts are in its entries, see `ledger`.

    It is never deleted. It changes only while it is pending; afterwards only the erasure of a
    customer may remove its description, reference and content hash. `reference` is the client's
    own: a request with a known reference is a repeat if it has the same `content_hash`, and a
    conflict otherwise. `post_when_approved` is true where the client asked to post at once and the
    transaction waits for approval.
    """

    __tablename__ = "transactions"

    kind: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="", info={PERSONAL: True})
    status: Mapped[str]
    conversation_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("conversations.id"), info={HISTORY: True}
    )
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"), info={HISTORY: True})
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("transactions.id"))
    reference: Mapped[str | None] = mapped_column(info={PERSONAL: True})
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info={INTERNAL: True})
    expires_at: Mapped[datetime | None]
    posted_at: Mapped[datetime | None]
    needs_approval: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    post_when_approved: Mapped[bool] = mapped_column(
        default=False, server_default=text("false"), info={INTERNAL: True}
    )
    approved_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id"), info={HISTORY: True}
    )
    created_by_kind: Mapped[str]
    created_by_id: Mapped[UUID | None]
    created_by_name: Mapped[str] = mapped_column(info={PERSONAL: True})

    __table_args__ = (
        one_of("kind", TransactionKind),
        CheckConstraint("char_length(description) <= 500", name="description"),
        one_of("status", TransactionStatus),
        CheckConstraint("(kind = 'reversal') = (reverses_id IS NOT NULL)", name="reverses_id"),
        CheckConstraint("char_length(reference) BETWEEN 1 AND 255", name="reference"),
        CheckConstraint("(status = 'posted') = (posted_at IS NOT NULL)", name="posted_at"),
        CheckConstraint(
            "status <> 'posted' OR NOT needs_approval OR approved_by_id IS NOT NULL",
            name="needs_approval",
        ),
        CheckConstraint("approved_by_id <> created_by_id", name="approved_by_id"),
        {
            "info": {
                CHANGED: ("status", "posted_at", "approved_by_id"),
                RULES: {
                    "uq_transactions_reverses_id": AlreadyReversed,
                    "ck_transactions_needs_approval": ApprovalRequired,
                    "ck_transactions_approved_by_id": partial(
                        Forbidden, "A user cannot approve a transaction that they created."
                    ),
                    "transactions_expired": partial(
                        InvalidTransition, "transaction", "post", "expired", ()
                    ),
                },
            }
        },
    )


Index(
    "uq_transactions_reference",
    Transaction.reference,
    unique=True,
    postgresql_where=text("reference IS NOT NULL"),
)
Index(
    "uq_transactions_reverses_id",
    Transaction.reverses_id,
    unique=True,
    postgresql_where=text("status IN ('pending', 'posted')"),
)
Index(
    "ix_transactions_conversation_id",
    Transaction.conversation_id,
    postgresql_where=text("conversation_id IS NOT NULL"),
)
Index("ix_transactions_task_id", Transaction.task_id, postgresql_where=text("task_id IS NOT NULL"))
Index(
    "ix_transactions_expires_at",
    Transaction.expires_at,
    postgresql_where=text("status = 'pending' AND expires_at IS NOT NULL"),
)
Index("ix_transactions_created_at", Transaction.created_at, Transaction.id)

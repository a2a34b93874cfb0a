"""The errors of requests with an Idempotency-Key."""

from __future__ import annotations

from app.db.errors import ApplicationError, Conflict


class AnswerGone(Conflict):
    """The request was carried out. Its response was erased, or can no longer be opened."""

    code = "idempotency-answer-gone"


class IdempotencyInProgress(Conflict):
    code = "idempotency-in-progress"


class KeyReused(ApplicationError):
    """The key belongs to an earlier, different request."""

    code = "idempotency-key-reused"

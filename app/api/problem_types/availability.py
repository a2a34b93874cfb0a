"""Problems of the service: the request is right, and can't be answered now."""

from __future__ import annotations

from app.api.kit.problem_type import ProblemType, of_error
from app.api.kit.problems import Problem
from app.db import errors as db_errors
from app.services.readiness import SchemaMismatch

_AGAIN = (
    "Send the same request again after as many seconds as Retry-After says. Nothing was changed."
)

AVAILABILITY = (
    ProblemType(
        Problem(
            500,
            "internal-error",
            "The service failed. Its log has the cause, under the request_id.",
        ),
        "The service has a defect, or is configured wrongly. The request may have been carried "
        "out: read the resource, or repeat it under the same Idempotency-Key.",
        "Report the `request_id` to those who run the service: it is in the log, with the cause.",
    ),
    of_error(
        db_errors.DatabaseUnreachable("The database can't be reached."),
        "The database can't be reached, or refuses to work now.",
        _AGAIN,
    ),
    of_error(
        db_errors.ConnectionLost("The connection to the database was lost."),
        "The connection to the database was lost before the work was done.",
        _AGAIN,
    ),
    of_error(
        db_errors.PoolExhausted("Too many requests wait for a connection."),
        "All connections of this process to the database are in use.",
        _AGAIN,
    ),
    of_error(
        db_errors.StatementTimeout("A statement took too long."),
        "A statement took longer than the service allows.",
        f"{_AGAIN} If it happens each time, ask for less: a narrower filter, a smaller page.",
    ),
    of_error(
        db_errors.StatementCancelled("The statement was cancelled in the database."),
        "Those who run the database cancelled a statement of the request.",
        _AGAIN,
    ),
    of_error(
        db_errors.LockTimeout("Something else holds the row."),
        "Another request has kept the same row for longer than the service waits.",
        _AGAIN,
    ),
    of_error(
        db_errors.Contention("Another unit of work won."),
        "Other requests changed the same rows at the same time, several times in a row.",
        _AGAIN,
    ),
    of_error(
        db_errors.OutcomeUnknown("The connection was lost during COMMIT."),
        "The connection to the database was lost during COMMIT: the request was carried out in "
        "full, or not at all.",
        "A request with an Idempotency-Key is safe to send again. Otherwise read the resource "
        "before you repeat the request.",
    ),
    of_error(
        SchemaMismatch("The schema is at 0002, not at 0003."),
        "The schema of the database is not the one that this version of the service needs.",
        "Those who run the service migrate the database: `flask db upgrade`.",
    ),
)

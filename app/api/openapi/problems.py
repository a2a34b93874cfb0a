"""Every problem that an answer may be, each with an example that the service's own code makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from app import errors
from app.api.openapi.examples import ID
from app.api.problems import MEDIA_TYPE, Problem, body_of, problem_of
from app.api.rate_limits import LEFT, POLICY
from app.services.readiness import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.api.openapi.shapes import Shape

_MISTAKE = errors.Mistake(("name",), "required", "It is required.")
_RAISED: tuple[errors.CaseloadError, ...] = (
    errors.NotFound("customers", ID),
    errors.Unauthenticated("Send a token: Authorization: Bearer <token>"),
    errors.RateLimited("A token may send 1000 requests per second.", 1),
    errors.Forbidden("Only admins can read deleted rows."),
    errors.Invalid([_MISTAKE]),
    errors.InvalidCriterion("nope", "There is no such parameter."),
    errors.InvalidCursor("cursor", "It belongs to another list, or was changed."),
    errors.AlreadyExists("customers", ("reference",)),
    errors.InUse("customers", ["conversations"]),
    errors.NotDeleted("It is not deleted."),
    errors.ParentDeleted(["customer_id"]),
    errors.InvalidTransition("account", "freeze", "closed", []),
    errors.CountMismatch(10, 12),
    errors.LeaseLost(),
    errors.TaskCycle(),
    errors.OpenSubtasks(),
    errors.ParentFinished(),
    errors.ConversationMerged(UUID(ID)),
    errors.ExternalIdReused(),
    errors.MergeIntoItself(),
    errors.CustomerMismatch(),
    errors.AccountNotEmpty(),
    errors.AccountClosed(),
    errors.AccountFrozen(),
    errors.InsufficientFunds(),
    errors.BalanceOutOfRange(),
    errors.CurrencyMismatch("GBP", "EUR"),
    errors.ApprovalRequired(),
    errors.AlreadyReversed(),
    errors.ReferenceReused(),
    errors.LastAdmin(),
    errors.IdempotencyInProgress("The same request is being carried out."),
    errors.AnswerGone("The request was carried out, and its answer is not kept any more."),
    errors.KeyReused("The key was sent with another request."),
    errors.VersionMismatch(3),
    errors.DatabaseUnreachable("The database can't be reached."),
    errors.ConnectionLost("The connection to the database was lost."),
    errors.PoolExhausted("Too many requests wait for a connection."),
    errors.StatementTimeout("A statement took too long."),
    errors.LockTimeout("Something else holds the row."),
    errors.Contention("Another unit of work won."),
    errors.OutcomeUnknown("The connection was lost during COMMIT."),
    SchemaMismatch("The schema is at 0002, not at 0003."),
)
_OF_HTTP = (
    Problem(400, "bad-request", "The request is not valid HTTP."),
    Problem(400, "idempotency-key-invalid", "It must be 1 to 255 printable ASCII characters."),
    Problem(400, "malformed-json", "An object has a key twice."),
    Problem(405, "method-not-allowed", "The method is not allowed for the requested URL."),
    Problem(413, "body-too-large", "The body is larger than what is read."),
    Problem(415, "unsupported-media-type", "The body must be application/json in UTF-8."),
    Problem(500, "internal-error", "Something went wrong; the request_id is in the log."),
)
PROBLEMS = {problem.code: problem for problem in (*map(problem_of, _RAISED), *_OF_HTTP)}

_ERROR: Shape = {
    "type": "object",
    "description": "One thing wrong with the input, and where.",
    "properties": {
        "pointer": {"type": "string", "description": "Into the body (RFC 6901)."},
        "parameter": {"type": "string"},
        "header": {"type": "string"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["code", "detail"],
}
PROBLEM: Shape = {
    "type": "object",
    "description": "RFC 9457. The last part of `type` is what programs go by.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
        "from": {"type": "string", "description": "Of an invalid-transition: the status."},
        "allowed": {"type": "array", "items": {"type": "string"}},
        "expected": {"type": "integer", "description": "Of a count-mismatch."},
        "count": {"type": "integer"},
        "merged_into_id": {"type": "string", "format": "uuid"},
    },
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
}
COMPONENTS = {"Error": _ERROR, "Problem": PROBLEM}
_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    415: ("Accept-Post",),
    429: ("Retry-After", LEFT, POLICY),
    503: ("Retry-After",),
}


def example_of(problem: Problem) -> dict[str, Any]:
    value = body_of(problem, "/v1/customers", "01a1fcc00f1974d8a582dd68f4ddab95")
    return {"summary": problem.detail, "value": value}


def responses_of(codes: Iterable[str], method: str) -> dict[str, Any]:
    """By status: the problems with these codes."""
    found: dict[int, list[str]] = {}
    for code in sorted(set(codes)):
        found.setdefault(PROBLEMS[code].status, []).append(code)
    special = _HEADERS | ({415: ("Accept-Patch",)} if method == "PATCH" else {})
    return {
        str(status): _response(found[status], special.get(status, ())) for status in sorted(found)
    }


def _response(codes: list[str], headers: tuple[str, ...]) -> dict[str, Any]:
    names = ["X-Request-Id", *headers]
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }

"""Problems of the request itself: its form, its token, its values, its key."""

from __future__ import annotations

from app import errors
from app.api.kit.openapi.examples import ID
from app.api.kit.problem_type import ProblemType, of_error
from app.api.kit.problems import Problem
from app.db import errors as db_errors
from app.domain.idempotency import AnswerGone, IdempotencyInProgress, KeyReused

_MISTAKE = db_errors.Mistake(("name",), "required", "It is required.")

REQUESTS = (
    ProblemType(
        Problem(400, "bad-request", "The request is not valid HTTP."),
        "The request is not one that HTTP allows.",
        "Correct the request. If a library sends it, update the library.",
    ),
    ProblemType(
        Problem(400, "malformed-json", "An object has a key twice."),
        "The body is missing, cut off, no JSON in UTF-8, or JSON that two readers may understand "
        "differently: with a key twice, a number like NaN, or too many levels or keys.",
        "Write the body with a JSON library. docs/api.md, Limits, names the numbers.",
    ),
    of_error(
        db_errors.InvalidCriterion("nope", "There is no such parameter."),
        "A parameter of the query is unknown, repeated, or has a value that does not fit it.",
        "`errors` names the parameter. /docs lists those of each operation.",
    ),
    of_error(
        db_errors.InvalidCursor("cursor", "It belongs to another list, or was changed."),
        "The cursor is not one of this list with this sort and these filters.",
        "Repeat the request with the sort and the filters of the page before, or begin without "
        "a cursor.",
    ),
    ProblemType(
        Problem(400, "idempotency-key-invalid", "It must be 1 to 255 printable ASCII characters."),
        "The Idempotency-Key is empty, too long, or has characters that it may not have.",
        "Send 1 to 255 printable ASCII characters. A random UUID is a good key.",
    ),
    of_error(
        errors.Unauthenticated("Send a token: Authorization: Bearer <token>"),
        "The request has no token, or one that is unknown, revoked, expired, or of a user or "
        "agent who is not active.",
        "Send a valid token: `Authorization: Bearer <token>`. An administrator creates one with "
        "`flask tokens create`.",
    ),
    of_error(
        errors.Forbidden("Only admins can read deleted rows."),
        "The token is valid, and its user or agent may not do this. An agent may read what its "
        "open tasks refer to.",
        "Ask an administrator for another role, or use the token of a user who has it.",
    ),
    of_error(
        errors.NotFound("customers", ID),
        "Nothing is at this path: it never was, or it is deleted.",
        "Check the path and the id. Administrators see deleted resources with "
        "`include_deleted=true`.",
    ),
    ProblemType(
        Problem(405, "method-not-allowed", "The method is not allowed for the requested URL."),
        "The path exists, and has no such method.",
        "Use one of the methods that the header `Allow` names.",
    ),
    of_error(
        db_errors.VersionMismatch(3),
        "The version that If-Match names is not the current one: somebody else changed the "
        "resource since it was read.",
        "Read it again, decide whether the change is still right, and send it with the new ETag.",
    ),
    ProblemType(
        Problem(413, "body-too-large", "The body has more bytes than the service reads."),
        "The body has more bytes than the service reads.",
        "Send less, or several requests. docs/api.md, Limits, names the numbers.",
    ),
    ProblemType(
        Problem(415, "unsupported-media-type", "The body must be application/json in UTF-8."),
        "The Content-Type is missing or not the one of JSON, or the body is compressed.",
        "Send `Content-Type: application/json` and no Content-Encoding. `Accept-Post` or "
        "`Accept-Patch` names the media types that are read.",
    ),
    of_error(
        db_errors.Invalid([_MISTAKE]),
        "The body is JSON, and some of its values are not valid.",
        "`errors` names each mistake with a JSON Pointer (RFC 6901) to its place. Nothing was "
        "changed: correct all of them and send the request again.",
    ),
    of_error(
        KeyReused("The key was sent with another request."),
        "This Idempotency-Key was sent before, with another method, path or body.",
        "Send the request with a new key, or the earlier request with this one.",
    ),
    of_error(
        IdempotencyInProgress("The same request is being carried out."),
        "The first request with this Idempotency-Key is still being carried out.",
        "Send the same request again in a moment: it gets the answer of the first.",
    ),
    of_error(
        AnswerGone("The request was carried out, and its answer is not kept any more."),
        "The request with this Idempotency-Key was carried out. Its answer was erased, or was "
        "sealed under another CASELOAD_SECRET_KEY.",
        "Read the resource to see what the request has done. Do not send it with a new key.",
    ),
    of_error(
        errors.RateLimited("A token may send 1000 requests per second.", 1),
        "The token has sent too many requests, or the client's address too many wrong tokens.",
        "Wait as many seconds as Retry-After says. Nothing was done.",
    ),
)

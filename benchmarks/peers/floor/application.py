"""The floor: a bare WSGI program on psycopg2 and orjson, which does the jobs and nothing else.

It stands for the least that CPython needs under gunicorn. Its SQL is the best that we know for each
job: one statement writes the rows, their events and the personal values of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import psycopg2

from benchmarks.peers.common.refusals import PROBLEM, Refused, broken
from benchmarks.peers.floor import customers, tasks, transactions
from benchmarks.peers.floor.callers import Caller, caller_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    Answer = tuple[int, object, list[tuple[str, str]]]
    Handler = Callable[[Caller, WSGIEnvironment], Answer]

_EXACT: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/customers"): customers.page,
    ("POST", "/v1/customers"): customers.create,
    ("POST", "/v1/customers/bulk"): customers.create_many,
    ("POST", "/v1/transactions"): transactions.create,
    ("POST", "/v1/tasks"): tasks.create,
    ("POST", "/v1/tasks/claim"): tasks.claim,
}
_REASONS = {
    200: "200 OK",
    201: "201 Created",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    409: "409 Conflict",
    422: "422 Unprocessable Entity",
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    request_id = uuid4().hex
    media = "application/json"
    try:
        status, body, headers = _answer(environ, request_id)
    except (Refused, psycopg2.IntegrityError) as error:
        refused = error if isinstance(error, Refused) else broken(error.diag.constraint_name)
        if refused is None:
            raise
        status, headers = refused.status, [*refused.headers.items()]
        body = refused.as_problem(environ["PATH_INFO"], request_id)
        media = PROBLEM
    data = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    headers += [
        ("Content-Type", media),
        ("Content-Length", str(len(data))),
        ("X-Request-Id", request_id),
    ]
    start_response(_REASONS[status], headers)
    return [data]


def _answer(environ: WSGIEnvironment, request_id: str) -> Answer:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    caller = caller_of(environ.get("HTTP_AUTHORIZATION", ""), request_id)
    handler = _EXACT.get((method, path))
    if handler is not None:
        return handler(caller, environ)
    parts: list[Any] = path.split("/")[2:]
    if method == "GET" and len(parts) == 2 and parts[0] == "customers":
        return customers.get(parts[1])
    if method == "POST" and len(parts) == 3 and (parts[0], parts[2]) == ("tasks", "complete"):
        return tasks.complete(caller, environ, parts[1])
    raise Refused(404, "not-found")

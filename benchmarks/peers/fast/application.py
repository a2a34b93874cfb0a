"""FastAPI with SQLAlchemy's async ORM on asyncpg."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError

from benchmarks.peers.common.refusals import PROBLEM, Refused, broken, invalid
from benchmarks.peers.common.schemas import pointers_in
from benchmarks.peers.fast import customers, tasks, transactions

app = FastAPI()
for module in (customers, transactions, tasks):
    app.include_router(module.router)


class NameRequest:
    """A middleware, in plain ASGI: FastAPI's own decorator costs a task a request."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request_id = uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        await self.app(scope, receive, send_named)


app.add_middleware(NameRequest)


@app.exception_handler(Refused)
async def problem(request: Request, refused: Refused) -> JSONResponse:
    body = refused.as_problem(request.url.path, request.state.request_id)
    return JSONResponse(body, refused.status, refused.headers, media_type=PROBLEM)


@app.exception_handler(RequestValidationError)
async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
    errors = error.errors()
    if any(each["type"] == "json_invalid" for each in errors):
        return await problem(request, Refused(400, "malformed-json"))
    return await problem(request, invalid(pointers_in(errors, skip=1)))


@app.exception_handler(IntegrityError)
async def conflict(request: Request, error: IntegrityError) -> JSONResponse:
    cause = getattr(error.orig, "__cause__", None)  # asyncpg's
    refused = broken(getattr(cause, "constraint_name", None))
    if refused is None:
        raise error
    return await problem(request, refused)

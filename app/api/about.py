"""The introduction of the OpenAPI document, and the order of its parts."""

from __future__ import annotations

from app.api.kit.openapi.about import About
from app.api.problem_types import PROBLEM_TYPES
from app.api.problem_types.facts import PROBLEM_FACTS

ABOUT = About(
    title="Caseload",
    version="1",
    description="""\
Caseload is the system of record behind a support desk: customers with their accounts and money,
their conversations, and the tasks that people and AI agents work on.

## Get a token

Every request to `/v1` needs a token. An administrator creates it on the server, where the command
prints it once:

    TOKEN=$(flask tokens create --user ada@demo.example)

Send it with each request. This one returns the user or agent to whom the token belongs:

    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/v1/me

## Requests and responses

- Bodies are JSON in UTF-8. Ids are UUIDs in canonical lower-case form. Times are RFC 3339 in UTC.
- An amount of money is `{"amount": "12.34", "currency": "GBP"}`, with the decimals of the currency.
- A list has at most `limit` items. `next_cursor` and the header `Link` lead to the next page.
- Every resource has a version, which is its `ETag`. A change with an old version in `If-Match` is
  refused with 412.
- A POST with an `Idempotency-Key` is carried out once, however often it is sent.
- Errors are `application/problem+json` (RFC 9457). `GET /problems` explains each of them.
- HEAD is answered wherever GET is. OPTIONS of every path is 204 with `Allow`.

## Limits

A query string has at most 50 parameters, and no string may contain NUL. A path that does not exist
is 404, another method of a path that does is 405 with `Allow`. The server itself refuses, without a
problem document, a request that is not valid HTTP (400), an `Expect` that it does not know (417)
and, by default, a request line (414) or a header (431) of more than 8,190 bytes, or more than 100
headers (431).""",
    token="A token. On the server, `flask tokens create --user EMAIL` prints one.",  # noqa: S106 - how to get one
    tags=(
        "customers",
        "accounts",
        "transactions",
        "conversations",
        "messages",
        "tasks",
        "agents",
        "todos",
        "products",
        "faqs",
        "events",
        "users",
        "tokens",
        "start",
        "health",
        "problems",
        "documentation",
    ),
    problem_types=PROBLEM_TYPES,
    problem_facts=PROBLEM_FACTS,
)

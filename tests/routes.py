"""A request of every route that writes, on the rows of tests/scene.py, and done in full."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOVE = [
    {"account_id": "$accounts_other", "amount": {"amount": "-1.00", "currency": "GBP"}},
    {"account_id": "$accounts_own", "amount": {"amount": "1.00", "currency": "GBP"}},
]
_TALK = {"customer_id": "$customers_own", "subject": "new", "channel": "web"}
_TASK = {"kind": "new", "queue": "work", "dedupe_key": "new"}
_LEASE = {"lease_token": "$lease"}


@dataclass(frozen=True)
class Write:
    """`on` names the row in its path; `$name` in the body is the id of that row."""

    body: Any = None
    on: str = ""

    def body_for(self, ids: Mapping[str, str]) -> Any:
        return orjson.loads(Template(orjson.dumps(self.body).decode()).substitute(ids))


WRITES = {
    "POST /v1/users": Write({"email": "new@x.example", "name": "New", "role": "staff"}),
    "POST /v1/users/deactivate": Write({"ids": ["$users_other"]}),
    "PATCH /v1/users/<id:key>": Write({"name": "Bea", "role": "viewer"}, "users_other"),
    "DELETE /v1/users/<id:key>": Write(on="users_other"),
    "POST /v1/users/<id:key>/restore": Write(on="users_deleted"),
    "POST /v1/tokens": Write({"user_id": "$users_other", "name": "new"}),
    "DELETE /v1/tokens/<id:key>": Write(on="tokens_other"),
    "POST /v1/customers": Write({"reference": "new", "name": "New"}),
    "POST /v1/customers/bulk": Write(
        {"items": [{"reference": f"new {n}", "name": "New"} for n in range(3)]}
    ),
    "PATCH /v1/customers/<id:key>": Write(
        {"name": "Bea", "attributes": {"vip": True}}, "customers_own"
    ),
    "DELETE /v1/customers/<id:key>": Write(on="customers_other"),
    "POST /v1/customers/<id:key>/restore": Write(on="customers_deleted"),
    "POST /v1/accounts": Write(
        {"customer_id": "$customers_own", "name": "Savings", "currency": "GBP"}
    ),
    "PATCH /v1/accounts/<id:key>": Write({"name": "Bills"}, "accounts_own"),
    "POST /v1/accounts/<id:key>/freeze": Write(on="accounts_own"),
    "POST /v1/accounts/<id:key>/unfreeze": Write(on="accounts_frozen"),
    "POST /v1/accounts/<id:key>/close": Write(on="accounts_empty"),
    "POST /v1/transactions": Write({"entries": _MOVE, "reference": "new"}),
    "POST /v1/transactions/<id:key>/post": Write(
        {"amount": {"amount": "2.00", "currency": "GBP"}}, "transactions_other"
    ),
    "POST /v1/transactions/<id:key>/void": Write(on="transactions_other"),
    "POST /v1/transactions/<id:key>/approve": Write(on="transactions_waiting"),
    "POST /v1/transactions/<id:key>/reverse": Write(on="transactions_own"),
    "POST /v1/agents": Write({"name": "new", "kind": "ai", "queues": ["work"]}),
    "PATCH /v1/agents/<id:key>": Write({"is_active": False}, "agents_bot"),
    "DELETE /v1/agents/<id:key>": Write(on="agents_other"),
    "POST /v1/agents/<id:key>/restore": Write(on="agents_deleted"),
    "POST /v1/agents/<id:key>/deactivate": Write({"reassign_to": "$agents_other"}, "agents_bot"),
    "POST /v1/conversations": Write(
        {**_TALK, "message": {"body": "Hello", "external_id": "new"}, "task": _TASK}
    ),
    "POST /v1/conversations/bulk-assign": Write(
        {
            "filter": {"customer_id": "$customers_own"},
            "agent_id": "$agents_other",
            "expected_count": 2,
        }
    ),
    "POST /v1/conversations/bulk-resolve": Write(
        {"filter": {"customer_id": "$customers_own"}, "expected_count": 2}
    ),
    "PATCH /v1/conversations/<id:key>": Write({"priority": "urgent"}, "conversations_own"),
    "DELETE /v1/conversations/<id:key>": Write(on="conversations_other"),
    "POST /v1/conversations/<id:key>/restore": Write(on="conversations_deleted"),
    "POST /v1/conversations/<id:key>/assign": Write(
        {"agent_id": "$agents_other", "reason": "x"}, "conversations_own"
    ),
    "POST /v1/conversations/<id:key>/snooze": Write(
        {"until": "2100-01-01T00:00:00Z"}, "conversations_own"
    ),
    "POST /v1/conversations/<id:key>/resolve": Write(
        {
            "message": {"body": "Bye", "external_id": "last"},
            "refund": {"entries": _MOVE},
            "complete_task": {"id": "$tasks_own", **_LEASE},
        },
        "conversations_own",
    ),
    "POST /v1/conversations/<id:key>/reopen": Write(on="conversations_resolved"),
    "POST /v1/conversations/<id:key>/close": Write(on="conversations_own"),
    "POST /v1/conversations/<id:key>/merge": Write(
        {"into": "$conversations_twin"}, "conversations_own"
    ),
    "POST /v1/conversations/<id:key>/messages": Write(
        {"direction": "inbound", "body": "x", "external_id": "new"}, "conversations_resolved"
    ),
    "POST /v1/tasks": Write({**_TASK, "parent_id": "$tasks_own"}),
    "POST /v1/tasks/bulk": Write(
        {"items": [{**_TASK, "parent_id": "$tasks_own", "dedupe_key": f"{n}"} for n in range(3)]}
    ),
    "PATCH /v1/tasks/<id:key>": Write({"priority": 1, "parent_id": "$tasks_own"}, "tasks_other"),
    "DELETE /v1/tasks/<id:key>": Write(on="tasks_other"),
    "POST /v1/tasks/<id:key>/restore": Write(on="tasks_deleted"),
    "POST /v1/tasks/claim": Write({"limit": 2}),
    "POST /v1/tasks/<id:key>/heartbeat": Write({**_LEASE, "progress": {"n": 1}}, "tasks_own"),
    "POST /v1/tasks/<id:key>/complete": Write({**_LEASE, "output": {"n": 1}}, "tasks_own"),
    "POST /v1/tasks/<id:key>/fail": Write({**_LEASE, "error": "x"}, "tasks_own"),
    "POST /v1/tasks/<id:key>/release": Write(_LEASE, "tasks_own"),
    "POST /v1/tasks/<id:key>/cancel": Write(on="tasks_parent"),
    "POST /v1/tasks/<id:key>/requeue": Write(on="tasks_failed"),
    "POST /v1/todos": Write({"description": "new"}),
    "PATCH /v1/todos/<id:key>": Write({"completed": True}, "todos_own"),
    "DELETE /v1/todos/<id:key>": Write(on="todos_own"),
    "POST /v1/todos/<id:key>/restore": Write(on="todos_deleted"),
    "POST /v1/products": Write(
        {"sku": "new", "name": "New", "price": {"amount": "1.00", "currency": "GBP"}}
    ),
    "POST /v1/products/bulk": Write(
        {
            "items": [
                {"sku": f"{n}", "name": "New", "price": {"amount": "1.00", "currency": "GBP"}}
                for n in range(3)
            ]
        }
    ),
    "PATCH /v1/products/<id:key>": Write({"name": "Bea"}, "products_own"),
    "DELETE /v1/products/<id:key>": Write(on="products_own"),
    "POST /v1/products/<id:key>/restore": Write(on="products_deleted"),
    "POST /v1/faqs": Write({"question": "new", "answer": "x", "product_id": "$products_own"}),
    "POST /v1/faqs/bulk": Write({"items": [{"question": f"{n}", "answer": "x"} for n in range(3)]}),
    "PATCH /v1/faqs/<id:key>": Write({"answer": "No."}, "faqs_own"),
    "DELETE /v1/faqs/<id:key>": Write(on="faqs_own"),
    "POST /v1/faqs/<id:key>/restore": Write(on="faqs_deleted"),
}

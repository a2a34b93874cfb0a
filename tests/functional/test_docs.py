"""The documentation is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, DateTime, Float, Integer, Interval, Uuid

from app.api.kit.access import policy_of
from app.api.kit.openapi.routes import path_of
from app.db.types import MinorUnits, TransactionId
from app.domain.actors import Role
from app.models import Base
from app.repositories.customer_erasure import ALWAYS, WITH_MESSAGES
from app.services import (
    AccountService,
    AgentService,
    ConversationService,
    CustomerService,
    EventService,
    FaqService,
    MessageService,
    ProductService,
    TaskService,
    TodoService,
    TokenService,
    TransactionService,
    UserService,
)
from tests.contract import document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from app.db import Reader, Resource

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs/api.md").read_text()
ERASURE = (ROOT / "docs/erasure.md").read_text()


def routes(app: Flask) -> list[str]:
    """One row of the table for each route and method."""
    rows = []
    with app.app_context():
        for rule in app.url_map.iter_rules():
            policy = policy_of(rule.endpoint)
            assert policy is not None
            path = path_of(rule.rule)
            allowed = [
                "all" if policy.roles is None else "yes" if r in policy.roles else "no"
                for r in Role
            ]
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                rows.append(f"| `{method} {path}` | {' | '.join(allowed)} |")  # noqa: PERF401 - nested far enough
    return sorted(rows, key=lambda row: row.split()[2:0:-1])


def test_the_table_of_routes_and_roles_is_the_codes(app: Flask) -> None:
    """Who may call what is told as it is."""
    table = API.partition("| route |")[2].strip().splitlines()[2:]
    assert table == routes(app)


def test_the_filters_and_sorts_are_the_repositories() -> None:
    """What a list may be asked for is told as it is."""
    readers: dict[str, Reader] = {  # type: ignore[type-arg] # of many models
        "users": UserService.repository,
        "tokens": TokenService.repository,
        "agents": AgentService.repository,
        "customers": CustomerService.repository,
        "accounts": AccountService.repository,
        "entries": AccountService.entries,
        "transactions": TransactionService.repository,
        "conversations": ConversationService.repository,
        "messages": MessageService.messages,
        "tasks": TaskService.repository,
        "attempts": TaskService.attempts_,
        "todos": TodoService.repository,
        "products": ProductService.repository,
        "faqs": FaqService.repository,
        "events": EventService.events,
    }
    for name, reader in readers.items():
        filters = ", ".join(
            field for field, declared in reader.filters.items() if not declared.internal
        )
        row = f"| `{name}` | {filters} | {', '.join(reader.sorts)} |"
        assert row in API, row


def test_what_may_be_expanded_is_told(app: Flask) -> None:
    """A row for each resource that refers to others."""
    expansions = API.partition("| resource | `expand` |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"\| `(\w+)` \| ([\w, ]+) \|", expansions))
    assert told == {
        read[1]: ", ".join(names)
        for path, methods in document(app)["paths"].items()
        if (read := re.fullmatch(r"/v1/(\w+)/\{id\}", path))
        for parameter in methods.get("get", {}).get("parameters", ())
        if parameter.get("name") == "expand"
        if (names := [name for name in parameter["schema"]["items"]["enum"] if "." not in name])
    }


def test_every_relative_link_leads_somewhere() -> None:
    """No page points at one that is not there."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert len(pages) > 5
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


_TEXTLESS = (Integer, Float, Boolean, Uuid, DateTime, Interval, TransactionId, MinorUnits)
# Not of resources: they are erased by statements of their own.
_ELSEWHERE = {
    "task_attempts.error",
    "event_personal_values.changes",
    "events.changes",
    "idempotency_keys.answer",
}


def columns_of(model: type[Resource], names: Iterable[str]) -> set[str]:
    return {f"{model.__tablename__}.{model.__table__.c[name].name}" for name in names}


def test_every_column_with_text_is_erased_or_kept_for_a_reason() -> None:
    """Somebody has decided about each; what the code erases is what is told."""
    parts = re.split(r"^##+ (?:Always|With|Never).*$|^## How", ERASURE, flags=re.MULTILINE)[1:4]
    first_cells = [re.findall(r"^\|(.*?)\|", part, re.MULTILINE) for part in parts]
    always, messages, never = (set(re.findall(r"\w+\.\w+", str(cells))) for cells in first_cells)
    assert not always & messages
    assert not (always | messages) & never
    assert always | messages | never == {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.c
        if not isinstance(column.type, _TEXTLESS)
        and not isinstance(getattr(column.type, "item_type", None), Uuid)
    }
    for overwritten, told in ((ALWAYS, always - _ELSEWHERE), (WITH_MESSAGES, messages)):
        assert set().union(*(columns_of(*of) for of in overwritten.items())) == told

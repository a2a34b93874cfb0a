"""A resource is five short files and a migration: nothing else of the application is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tree import Copy, copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = '''\
from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import LIVE, DeletableResource


class Branch(DeletableResource):
    """An office of a customer."""

    __tablename__ = "branches"

    name: Mapped[str]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))

    __table_args__ = (CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),)


Index("uq_branches_name", Branch.name, unique=True, postgresql_where=LIVE)
Index("ix_branches_customer_id", Branch.customer_id)
'''
REPOSITORY = """\
from __future__ import annotations

from app.db import Repository, filters_on, sorts_on
from app.models.branches import Branch


class BranchRepository(Repository[Branch]):
    model = Branch
    filters = filters_on(Branch.name, Branch.customer_id)
    sorts = sorts_on(Branch.created_at, Branch.name)
"""
SERVICE = """\
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.models.branches import Branch
from app.repositories.branches import BranchRepository
from app.services.kit.permissions import READERS, WRITERS, Roles
from app.services.kit.resources import ResourceService


@dataclass(frozen=True, kw_only=True)
class BranchService(ResourceService[Branch]):
    readers: ClassVar[Roles] = READERS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: BranchRepository = BranchRepository()
"""
SCHEMA = """\
from __future__ import annotations

from app.api.kit.fields import Reference, Text, describe
from app.api.kit.schemas import DeletableSchema


class BranchSchema(DeletableSchema):
    name = Text(longest=100, required=True, metadata=describe("The unique name.", "Harbour"))
    customer_id = Reference("customers", required=True, metadata=describe("Its customer."))
"""
ROUTES = '''\
"""Offices of customers."""

from __future__ import annotations

from flask import Blueprint

from app.api.kit.resources import add_routes
from app.api.schemas.branches import BranchSchema
from app.services.branches import BranchService

blueprint = Blueprint("branches", __name__)

add_routes(blueprint, BranchService, BranchSchema)
'''
MIGRATION = '''\
"""Branches.

Revision ID: 9999
Revises: {head}
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import touch

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "branches",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", TIMESTAMP),
        sa.PrimaryKeyConstraint("id", name="pk_branches"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_branches_customer_id_customers"
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 100", name=op.f("ck_branches_name")
        ),
    )
    op.create_index(
        "uq_branches_name",
        "branches",
        ["name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_branches_customer_id", "branches", ["customer_id"])
    touch(op, "branches")


def downgrade() -> None:
    op.drop_table("branches")
'''
FILES = {
    "app/models/branches.py": MODEL,
    "app/repositories/branches.py": REPOSITORY,
    "app/services/branches.py": SERVICE,
    "app/api/schemas/branches.py": SCHEMA,
    "app/api/branches.py": ROUTES,
}


@pytest.fixture
def copy(tmp_path: Path, template_url: str) -> Iterator[Copy]:
    """The application with the new files."""
    with copied(tmp_path, template_url, "branches") as copy:
        for name, text in FILES.items():
            assert not (tmp_path / name).exists()
            (tmp_path / name).write_text(text)
        migration = tmp_path / "alembic/versions/9999_branches.py"
        migration.write_text(MIGRATION.format(head=copy.head))
        yield copy


def test_five_files_and_a_migration_make_a_resource(copy: Copy) -> None:
    """It is migrated, served, listed, expanded, kept in events and described in the document."""
    copy.run("-m", "flask", "db", "upgrade")
    copy.run("-m", "flask", "db", "check")
    new = {"name": "Harbour", "customer_id": "$customer"}
    one = "/v1/branches/{1[id]}"
    found = copy.send(
        ("POST", "/v1/customers", {"reference": "C-1", "name": "Ann"}),
        ("POST", "/v1/branches", new),
        ("POST", "/v1/branches", new),
        ("GET", f"{one}?expand=customer", None),
        ("GET", "/v1/branches?name__in=Harbour,Hill&sort=-name", None),
        ("PATCH", one, {"name": "Hill"}),
        ("DELETE", "/v1/customers/{0[id]}", None),
        ("DELETE", one, None),
        ("GET", one, None),
        ("POST", f"{one}/restore", None),
        ("GET", "/v1/events?object_type=branches&sort=occurred_at", None),
        ("GET", "/openapi.json", None),
    )
    assert [each["status"] for each in found] == [
        *(201, 201, 409),
        *(200, 200, 200),
        *(409, 204, 404, 200),
        *(200, 200),
    ]
    ann, branch, taken, read, listed, changed, in_use, _, _, restored, events, document = found
    assert taken["errors"][0]["pointer"] == "/name"
    assert (read["id"], read["customer"]["id"]) == (branch["id"], ann["id"])
    assert [item["id"] for item in listed["items"]] == [branch["id"]]
    assert (changed["name"], changed["version"], restored["version"]) == ("Hill", 2, 4)
    assert in_use["type"] == "/problems/in-use"
    actions = [event["action"] for event in events["items"]]
    assert sorted(actions) == ["created", "deleted", "restored", "updated"]
    assert {"/v1/branches", "/v1/branches/{id}", "/v1/branches/{id}/restore"} <= set(
        document["paths"]
    )
    assert {"name": "branches", "description": "Offices of customers."} in document["tags"]

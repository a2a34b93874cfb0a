"""The table of users."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, func, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db import LIVE, DeletableResource
from app.db.marks import FIELDS, RULES
from app.domain.actors import USER_ROLES
from app.domain.users import LastAdmin
from app.models.base import PERSONAL, one_of


class User(DeletableResource):
    """A member of staff who can log in. A trigger keeps at least one active admin."""

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(info={PERSONAL: True})
    name: Mapped[str] = mapped_column(info={PERSONAL: True})
    role: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=true(), default=True)

    __table_args__ = (
        CheckConstraint("char_length(email) BETWEEN 3 AND 254", name="email"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        one_of("role", USER_ROLES),
        {"info": {RULES: {"users_last_admin": LastAdmin}}},
    )


Index(
    "uq_users_email",
    func.lower(User.email),
    unique=True,
    postgresql_where=LIVE,
    info={FIELDS: ("email",)},
)
Index("ix_users_created_at", User.created_at, User.id)

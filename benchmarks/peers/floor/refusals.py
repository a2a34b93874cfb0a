"""Refusals, as problems of RFC 9457."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2 import IntegrityError

# By the name of the constraint that PostgreSQL reports.
_TAKEN = {"uq_customers_reference": "/reference", "uq_customers_email": "/email"}
_CONFLICTS = {
    "ck_accounts_funds": "insufficient-funds",
    "entries_account_closed": "account-closed",
    "entries_account_frozen": "account-frozen",
}


class Refused(Exception):
    def __init__(
        self, status: int, name: str, *pointers: str, headers: list[tuple[str, str]] | None = None
    ) -> None:
        super().__init__(name)
        self.status = status
        self.headers = headers or []
        self._name = name
        self._pointers = pointers

    def as_problem(self, path: str, request_id: str) -> dict[str, object]:
        problem: dict[str, object] = {
            "type": f"/problems/{self._name}",
            "title": self._name.replace("-", " ").capitalize(),
            "status": self.status,
            "instance": path,
            "request_id": request_id,
        }
        if self._pointers:
            problem["errors"] = [{"pointer": pointer} for pointer in self._pointers]
        return problem


def refusal_of(error: IntegrityError) -> Refused:
    """What the database has refused; raises the error where it is none of the client's."""
    name = error.diag.constraint_name or ""
    if name in _TAKEN:
        return Refused(409, "already-exists", _TAKEN[name])
    if name in _CONFLICTS:
        return Refused(409, _CONFLICTS[name])
    raise error

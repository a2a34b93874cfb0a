"""Refusals, as problems of RFC 9457."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROBLEM = "application/problem+json"

# By the name of the constraint that PostgreSQL reports.
_TAKEN = {"uq_customers_reference": "/reference", "uq_customers_email": "/email"}
_CONFLICTS = {
    "ck_accounts_funds": "insufficient-funds",
    "entries_account_closed": "account-closed",
    "entries_account_frozen": "account-frozen",
}


class Refused(Exception):
    def __init__(
        self, status: int, name: str, *pointers: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(name)
        self.status = status
        self.headers = headers or {}
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


def unauthenticated() -> Refused:
    return Refused(401, "unauthenticated", headers={"WWW-Authenticate": "Bearer"})


def invalid(pointers: Iterable[str]) -> Refused:
    return Refused(422, "validation-error", *sorted(pointers))


def broken(constraint: str | None) -> Refused | None:
    """The conflict that a broken constraint means; None where it is none of the client's."""
    if constraint in _TAKEN:
        return Refused(409, "already-exists", _TAKEN[constraint])
    if constraint in _CONFLICTS:
        return Refused(409, _CONFLICTS[constraint])
    return None


def pointers_of(messages: object, at: str = "") -> list[str]:
    """Where the messages of marshmallow or Django REST framework are: one pointer for each."""
    if isinstance(messages, dict):
        parts = messages.items()
    elif isinstance(messages, list) and any(isinstance(each, dict) for each in messages):
        parts = dict(enumerate(messages)).items()
    else:
        return [at] if messages else []
    return [pointer for name, inner in parts for pointer in pointers_of(inner, f"{at}/{name}")]

"""Clients of a bank, who move money at random and remember what they were told."""

from __future__ import annotations

import http.client
import random
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from benchmarks.load_http import Answer, Connection

_GIVES_UP = 0.2  # how often, of 1, nothing is sent again
_MOST = 2_000  # minor units
_UNANSWERED = Answer(0, None)


@dataclass
class Wish:
    """A transaction that was sent; `entries` are minor units by account.

    It is found again by its `name`, which the service takes no notice of.
    """

    name: str
    entries: dict[str, int]
    pending: bool
    told: Answer = _UNANSWERED
    ends: list[tuple[str, int | None, Answer]] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        return self.told.body["id"] if self.told.status in (200, 201) else None


@dataclass
class Snapshot:
    """What the accounts had at one moment: their `balance` and what of it is `available`."""

    accounts: dict[str, tuple[int, int]]


class BankClient:
    def __init__(self, port: int, token: str, customer: str, accounts: list[str]) -> None:
        self._bank = Connection(port, token)
        self._customer, self._accounts = customer, accounts
        self._dice = random.Random()  # noqa: S311 - no secret
        self.wishes: list[Wish] = []
        self.snapshots: list[Snapshot] = []
        self.answers: Counter[str] = Counter()

    def work_until(self, end: float) -> None:
        """Do one thing after the other; `end` is of the monotonic clock."""
        choices = (self._look, self._transfer, self._hold, self._reverse)
        with closing(self._bank):
            while time.monotonic() < end:
                self._dice.choices(choices, (15, 50, 20, 15))[0]()

    def _look(self) -> None:
        """All accounts by one request, which is one statement."""
        answer = self._call("GET", f"/v1/customers/{self._customer}/accounts?limit=100")
        if answer.status == 200:
            self.snapshots.append(Snapshot(read(answer.body["items"])))

    def _transfer(self, **more: Any) -> Wish:
        wish = Wish(str(uuid4()), self._entries(), pending="pending" in more)
        self.wishes.append(wish)
        body = {"description": wish.name, "entries": written(wish.entries), **more}
        wish.told = self._call("POST", "/v1/transactions", body)
        return wish

    def _hold(self) -> None:
        """And book it, or less of it, or give it up, or leave it until it expires."""
        soon = datetime.now(UTC) + timedelta(seconds=self._dice.uniform(0.5, 5))
        wish = self._transfer(pending=True, expires_at=soon.isoformat())
        verb = self._dice.choice(("post", "post", "void", None))
        if wish.id is None or verb is None:
            return
        taken = max(wish.entries.values())
        less = None
        if verb == "post" and len(wish.entries) == 2 and self._dice.random() < 0.5:
            less = self._dice.randint(1, taken)
        self._end(wish, verb, less)

    def _reverse(self) -> None:
        posted = [wish for wish in self.wishes[-20:] if wish.id and not wish.pending]
        if posted:
            self._end(self._dice.choice(posted), "reverse", None)

    def _end(self, wish: Wish, verb: str, amount: int | None) -> None:
        body = {} if amount is None else {"amount": money(amount)}
        told = self._call("POST", f"/v1/transactions/{wish.id}/{verb}", body)
        wish.ends.append((verb, amount, told))

    def _entries(self) -> dict[str, int]:
        """From one account to another, or to two."""
        source, *targets = self._dice.sample(self._accounts, self._dice.choice((2, 2, 3)))
        entries = {target: self._dice.randint(1, _MOST) for target in targets}
        return {source: -sum(entries.values()), **entries}

    def _call(self, method: str, path: str, body: Any = None) -> Answer:
        """Where it is not answered, again under the same key until it is, or never."""
        key = str(uuid4()) if method == "POST" else None
        patience = 0.0 if self._dice.random() < _GIVES_UP else 60.0
        try:
            answer = self._bank.call(method, path, body, key=key, patience=patience)
        except (OSError, http.client.HTTPException):
            self.answers["none"] += 1
            return _UNANSWERED
        self.answers[f"{answer.status} {answer.problem}".strip()] += 1
        return answer


def money(minor: int) -> dict[str, str]:
    return {"amount": f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"} | {
        "currency": "GBP"
    }


def written(entries: dict[str, int]) -> list[dict[str, Any]]:
    return [{"account_id": key, "amount": money(minor)} for key, minor in entries.items()]


def minor(value: dict[str, str]) -> int:
    return int(value["amount"].replace(".", ""))


def read(items: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """The balances of accounts as the service lists them."""
    return {item["id"]: (minor(item["balance"]), minor(item["available"])) for item in items}

"""What must be true of a bank, by what its clients were told and what it says in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.load_bank_client import Snapshot, Wish, minor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.load_report import Report

# A hold that is sent again may have come too late to expire: 422.
_EXPECTED = {
    "200", "201", "409 insufficient-funds", "409 invalid-transition", "409 already-reversed",
    "422 validation-error", "none",
}  # fmt: skip
_AFTER = {"post": "posted", "void": "voided", "reverse": "posted"}


@dataclass(frozen=True)
class Books:
    """The bank in the end: `opening` and `limits` in minor units by account, and transactions."""

    opening: dict[str, int]
    limits: dict[str, int]
    final: Snapshot
    transactions: list[dict[str, Any]]

    @property
    def total(self) -> int:
        return sum(self.opening.values())


def check_snapshots(report: Report, books: Books, snapshots: Iterable[Snapshot]) -> None:
    """Money moves between the accounts only, so their sum never changes."""
    totals: Counter[int] = Counter()
    below = missing = 0
    for snapshot in (*snapshots, books.final):
        totals[sum(balance for balance, _ in snapshot.accounts.values())] += 1
        missing += snapshot.accounts.keys() != books.opening.keys()
        below += any(
            available < -books.limits[key] for key, (_, available) in snapshot.accounts.items()
        )
    report.note(reads=totals.total())
    report.expect("different totals that were read", len(totals.keys() - {books.total}), 0)
    report.expect("reads that lack an account", missing, 0)
    report.expect("reads of a balance below its limit", below, 0)


def check_books(report: Report, books: Books) -> None:
    """Each account has what it began with, and what was posted; what is pending is held."""
    balances, held = dict(books.opening), dict.fromkeys(books.opening, 0)
    for made in books.transactions:
        for key, amount in _entries(made).items():
            if made["status"] == "posted":
                balances[key] += amount
            elif made["status"] == "pending":
                held[key] += max(-amount, 0)
    expected = {key: (balances[key], balances[key] - held[key]) for key in balances}
    wrong = sum(books.final.accounts[key] != expected[key] for key in expected)
    report.expect("balances that are not what was posted", wrong, 0)


def check_wishes(report: Report, books: Books, wishes: list[Wish]) -> None:
    """What was acknowledged is there, what was refused is not, and nothing is there twice."""
    made = defaultdict(list)
    for transaction in books.transactions:
        if transaction["kind"] != "reversal":
            made[transaction["description"]].append(transaction)
    unknown = made.keys() - {wish.name for wish in wishes}
    report.expect("transactions nobody asked for", len(unknown), 0)
    report.expect("made twice", sum(len(found) > 1 for found in made.values()), 0)
    answered = [wish for wish in wishes if wish.id is not None]
    lost = sum(wish.id not in {of["id"] for of in made[wish.name]} for wish in answered)
    report.expect("acknowledged, and not there", lost, 0)
    refused = [wish for wish in wishes if wish.told.status in (409, 422)]
    report.expect("refused, and there", sum(bool(made[wish.name]) for wish in refused), 0)
    unanswered = [wish for wish in wishes if wish.told.status in (0, 503)]
    there = sum(bool(made[wish.name]) for wish in unanswered)
    report.note(acknowledged=len(answered), refused=len(refused))
    report.note(**{"sent again": sum(wish.told.tries > 1 for wish in wishes)})
    report.note(**{"unanswered for good, made": f"{len(unanswered)}, {there}"})
    by_id = {of["id"]: of for of in books.transactions}
    wrong = Counter(what for wish in answered for what in _wrong(wish, by_id))
    report.expect("acknowledged, and otherwise", dict(wrong), {})
    _check_reversals(report, books, by_id)


def check_answers(report: Report, answers: Counter[str]) -> None:
    report.note(answers=", ".join(f"{name}: {count:,}" for name, count in answers.most_common()))
    others = {of for of in answers if not of.startswith("503 ")} - _EXPECTED
    report.expect("other answers", sorted(others), [])


def _wrong(wish: Wish, by_id: dict[str, dict[str, Any]]) -> Iterable[str]:
    """What differs from what was acknowledged. It ends as last told, where that was told."""
    found = by_id.get(str(wish.id))
    if found is None:
        return
    booked = wish.entries
    for verb, amount, told in wish.ends:
        if told.status not in (200, 201):
            continue
        if found["status"] != _AFTER[verb]:
            yield f"{verb} and yet {found['status']}"
        if verb == "reverse" and found["reversed_by_id"] != told.body["id"]:
            yield "another reversal"
        if amount is not None:
            booked = {key: amount if of > 0 else -amount for key, of in wish.entries.items()}
    if not wish.pending and found["status"] != "posted":
        yield f"posted and yet {found['status']}"
    unsure = any(told.status not in (200, 201) for _, _, told in wish.ends)
    if _entries(found) != booked and not unsure:
        yield "other entries"


def _check_reversals(report: Report, books: Books, by_id: dict[str, dict[str, Any]]) -> None:
    reversals = [made for made in books.transactions if made["kind"] == "reversal"]
    twice = len(reversals) - len({made["reverses_id"] for made in reversals})
    report.expect("reversed twice", twice, 0)
    undone = sum(
        _entries(made)
        == {key: -amount for key, amount in _entries(by_id[made["reverses_id"]]).items()}
        for made in reversals
    )
    report.expect("reversals that do not undo all", len(reversals) - undone, 0)


def _entries(made: dict[str, Any]) -> dict[str, int]:
    return {entry["account_id"]: minor(entry["amount"]) for entry in made["entries"]}

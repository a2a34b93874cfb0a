"""Diagrams of states in Mermaid, from the rules of `app/domain`."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from app.domain import accounts, conversations, tasks, transactions
from app.domain.accounts import AccountStatus
from app.domain.conversations import ConversationStatus
from app.domain.messages import Direction
from app.domain.tasks import TaskStatus
from app.domain.transactions import TransactionKind, TransactionStatus
from app.errors import InvalidTransition
from docs.generate.parts import code, table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from enum import StrEnum

_START = "[*]"
_WINDOW = timedelta(days=7)


class Arrow(NamedTuple):
    """From a status to another; `action` is what leads there."""

    source: str
    action: str
    target: str


# Where an action leads that has one outcome. The rules of the domain say from where it starts.
_TASK = {
    "claim": TaskStatus.RUNNING,
    "complete": TaskStatus.COMPLETED,
    "requeue": TaskStatus.PENDING,
}
_CONVERSATION = {
    "snooze": ConversationStatus.SNOOZED,
    "resolve": ConversationStatus.RESOLVED,
    "reopen": ConversationStatus.OPEN,
    "close": ConversationStatus.CLOSED,
    "merge": ConversationStatus.CLOSED,
}
_TRANSACTION = {"post": TransactionStatus.POSTED, "void": TransactionStatus.VOIDED}
_ACCOUNT = {
    "freeze": AccountStatus.FROZEN,
    "unfreeze": AccountStatus.OPEN,
    "close": AccountStatus.CLOSED,
}


def _in_transaction(action: str, status: str) -> None:
    kind = TransactionKind.TRANSFER
    transactions.check_transaction_action(action, status, kind, awaits_approval=True)


def _allowed(check: Callable[[str, str], None], status: str) -> list[str]:
    """The actions that a status allows: the rule names them when it refuses one."""
    try:
        check("none", status)
    except InvalidTransition as refusal:
        return list(refusal.facts["allowed"])
    raise LookupError(f"{check} allows an action that there is not.")


def _arrows(
    statuses: Iterable[str], check: Callable[[str, str], None], targets: Mapping[str, StrEnum]
) -> Iterator[Arrow]:
    for status, (action, target) in product(statuses, targets.items()):
        if action in _allowed(check, status):
            yield Arrow(status, action, target)


def of_tasks() -> list[Arrow]:
    pending, running, cancelled = TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.CANCELLED
    after = {
        tasks.after_failure(retry=retry, cancel_requested=cancel, attempts=n, max_attempts=2)
        for retry, cancel, n in product((True, False), (True, False), (1, 2))
    }
    return [
        Arrow(_START, "create", pending),
        *_arrows(TaskStatus, tasks.check_task_action, _TASK),
        Arrow(pending, "cancel", cancelled),
        Arrow(running, "cancel", running),
        Arrow(running, "claim once the lease is lost", running),
        Arrow(running, "release", pending),
        Arrow(running, "release", cancelled),
        *(Arrow(running, "fail", status) for status in sorted(after)),
        *(Arrow(running, "lease lost", status) for status in sorted(after)),
    ]


def of_conversations() -> list[Arrow]:
    return [
        Arrow(_START, "create", ConversationStatus.OPEN),
        *_arrows(ConversationStatus, conversations.check_conversation_action, _CONVERSATION),
        *sorted(set(_messages())),
        Arrow(ConversationStatus.SNOOZED, "until has come", ConversationStatus.OPEN),
    ]


def _messages() -> Iterator[Arrow]:
    """The messages that change the status."""
    ways = product(ConversationStatus, Direction, (timedelta(), 2 * _WINDOW))
    for status, direction, since in ways:
        if "message" in _allowed(conversations.check_conversation_action, status):
            after = conversations.after_message(
                status, direction, since=since, reopen_window=_WINDOW
            )
            if after != status:
                yield Arrow(status, f"{direction} message", after)


def of_transactions() -> list[Arrow]:
    pending, posted = TransactionStatus.PENDING, TransactionStatus.POSTED
    return [
        Arrow(_START, "create", posted),
        Arrow(_START, "create with pending", pending),
        *_arrows(TransactionStatus, _in_transaction, _TRANSACTION),
        Arrow(pending, "approve", posted),
        Arrow(pending, "approve", pending),
        Arrow(pending, "expires_at has come", TransactionStatus.EXPIRED),
    ]


def of_accounts() -> list[Arrow]:
    return [
        Arrow(_START, "create", AccountStatus.OPEN),
        *_arrows(AccountStatus, accounts.check_account_action, _ACCOUNT),
    ]


def parts() -> dict[str, str]:
    """The parts of docs/states.md."""
    return {
        "task": _part(of_tasks(), TaskStatus, tasks.check_task_action),
        "conversation": _part(
            of_conversations(), ConversationStatus, conversations.check_conversation_action
        ),
        "transaction": _part(of_transactions(), TransactionStatus, _in_transaction),
        "account": _part(of_accounts(), AccountStatus, accounts.check_account_action),
    }


def _part(
    arrows: Collection[Arrow], statuses: Iterable[str], check: Callable[[str, str], None]
) -> str:
    rows = [(f"`{status}`", code(*_allowed(check, status)) or "none") for status in statuses]
    return f"{_diagram(arrows)}\n\n{table(('status', 'actions that it allows'), *rows)}"


def _diagram(arrows: Collection[Arrow]) -> str:
    """One line per pair of statuses; a status that no arrow leaves is an end.

    Where the same actions lead from every other status to the only end, one arrow from a box around
    them stands for all of theirs.
    """
    labels = _labels(arrows)
    sources = {source for source, _ in labels if source != _START}
    ends = sorted({target for _, target in labels} - sources)
    lines = _lines(labels)
    if len(ends) == 1 and len(common := {labels.get((each, ends[0]), "") for each in sources}) == 1:
        inner = {pair: label for pair, label in labels.items() if pair[1] != ends[0]}
        box = f'state "not {ends[0]}" as live {{'
        lines = [box, *(f"    {line}" for line in _lines(inner)), "}"]
        lines += _lines({("live", ends[0]): common.pop()})
    lines += [f"{status} --> {_START}" for status in ends]
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])


def _labels(arrows: Collection[Arrow]) -> dict[tuple[str, str], str]:
    """The actions of each pair of statuses; those that leave the status as it is are not drawn."""
    actions: dict[tuple[str, str], list[str]] = defaultdict(list)
    for arrow in arrows:
        if arrow.source != arrow.target:
            actions[arrow.source, arrow.target].append(arrow.action)
    return {pair: ", ".join(names) for pair, names in actions.items()}


def _lines(labels: Mapping[tuple[str, str], str]) -> list[str]:
    return [f"{source} --> {target}: {label}" for (source, target), label in labels.items()]

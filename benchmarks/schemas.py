"""Compiled schemas against dicts by hand and against marshmallow, for lists and bulk bodies.

    python -m benchmarks.schemas [ROUNDS]

A list of 50 records to the bytes of its JSON, and 1,000 parsed bodies to values. Each round runs
every way once, in turn; the medians of their CPU are shown as ratios, with the spread of the
first way's own rounds as the noise.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from app.api.kit.compiled import Dump, Load
from app.api.kit.json_text import to_json
from app.api.schemas.conversations import ConversationSchema
from app.api.schemas.customers import CustomerSchema
from app.api.schemas.tasks import TaskSchema
from benchmarks import schemas_by_hand as hand

if TYPE_CHECKING:
    from collections.abc import Callable

    from marshmallow import Schema

    Way = Callable[[], Any]

LISTED, LOADED, TIMES = 50, 1_000, 100


def lists() -> dict[str, list[Way]]:
    return {
        "customers": _list(CustomerSchema(), hand.customer, hand.dump_customer),
        "tasks": _list(TaskSchema(), hand.task, hand.dump_task),
        "conversations": _list(ConversationSchema(), hand.conversation, hand.dump_conversation),
    }


def _list(schema: Schema, make: Way, by_hand: Callable[[dict[str, Any]], Any]) -> list[Way]:
    records, compiled = [make() for _ in range(LISTED)], Dump(schema)
    return [  # by hand, orjson writes ids and times
        lambda: orjson.dumps([by_hand(record) for record in records], option=orjson.OPT_UTC_Z),
        lambda: to_json(compiled.many(records)),
        lambda: orjson.dumps(schema.dump(records, many=True)),
    ]


def bulk() -> dict[str, list[Way]]:
    return {
        "customers": _bulk(CustomerSchema(), hand.CUSTOMER),
        "tasks": _bulk(TaskSchema(), hand.TASK),
        "conversations": _bulk(ConversationSchema(), hand.CONVERSATION),
    }


def _bulk(schema: Schema, body: dict[str, Any]) -> list[Way]:
    bodies = [body] * LOADED
    return [partial(Load(schema).many, bodies), partial(schema.load, bodies, many=True)]


def measure(tasks: dict[str, list[Way]], times: int, rounds: int) -> dict[str, list[list[float]]]:
    """Microseconds of CPU per call, by task and way."""
    taken: dict[str, list[list[float]]] = {name: [[] for _ in w] for name, w in tasks.items()}
    for number in range(-1, rounds):  # the first one warms up and is not counted
        for name, ways in tasks.items():
            for way, spent in zip(ways, taken[name], strict=True):
                started = time.process_time()
                for _ in range(times):
                    way()
                if number >= 0:
                    spent.append((time.process_time() - started) / times * 1e6)
    return taken


def report(title: str, names: list[str], taken: dict[str, list[list[float]]]) -> None:
    print(f"\n| {title} | {names[0]}, us | noise | {' | '.join(names[1:])} |")
    print("|---" * (len(names) + 2) + "|")
    for task_, (first, *others) in taken.items():
        middle = statistics.median(first)
        low, _, high = statistics.quantiles(first)
        ratios = [f"{statistics.median(other) / middle:.1f}" for other in others]
        noise = (high - low) / middle / 2
        print(f"| {task_} | {middle:,.0f} | ±{noise:.0%} | {' | '.join(ratios)} |")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    listing, loading = lists(), bulk()
    for ways in (*listing.values(), *loading.values()):
        first, *others = [way() for way in ways]
        assert all(other == first for other in others)
    print(f"Python {platform.python_version()}, {rounds} rounds; ratios: more is slower")
    taken = measure(listing, TIMES, rounds)
    report(f"list of {LISTED}", ["by hand", "compiled", "marshmallow"], taken)
    report(f"{LOADED:,} bodies", ["compiled", "marshmallow"], measure(loading, 1, rounds))


if __name__ == "__main__":
    main()

"""Merges at once, and what is written during a merge."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from tests.client import Client, problem
from tests.conversations import PATH, at_once
from tests.merging import merge, messages_of, note, read

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


def test_of_two_opposite_merges_one_is_done(desk: Client, begin: Start) -> None:
    """Round after round: the other is told where its conversation goes on, and nothing is lost."""
    for _ in range(25):
        one, other = begin("a"), begin("b")
        calls = [partial(merge, desk, one, other), partial(merge, desk, other, one)]
        done, refused = sorted(at_once(calls), key=lambda answer: answer.status_code)
        assert done.status_code == 200, done.text
        assert problem(refused) == (409, "conversation-merged")
        left = done.json["id"]
        assert refused.json["merged_into_id"] == left
        bodies = ["a", "b"] if left == one else ["b", "a"]
        assert [(item["seq"], item["body"]) for item in messages_of(desk, left)] == list(
            enumerate(bodies, start=1)
        )


def test_merges_in_a_ring_end_in_one_or_two(desk: Client, begin: Start) -> None:
    """Three at once, each into the next: whatever wins, nothing leads in a circle or is lost."""
    for _ in range(10):
        ring = [begin(name) for name in "abc"]
        pairs = zip(ring, ring[1:] + ring[:1], strict=True)
        answers = at_once([partial(merge, desk, *pair) for pair in pairs])
        assert {answer.status_code for answer in answers} <= {200, 409}
        goes_on = {key: read(desk, key)["merged_into_id"] for key in ring}
        ends = [key for key, target in goes_on.items() if target is None]
        merged = sum(answer.status_code == 200 for answer in answers)
        assert (len(ends), merged in (1, 2)) == (3 - merged, True)
        assert {target for target in goes_on.values() if target} <= set(ends)
        written = [messages_of(desk, key) for key in ends]
        assert sorted(item["body"] for items in written for item in items) == ["a", "b", "c"]
        for items in written:
            assert [item["seq"] for item in items] == list(range(1, len(items) + 1))


def test_nothing_written_during_a_merge_is_lost(desk: Client, begin: Start) -> None:
    """Who wrote to the source in time is in the target, who came late was told so; no gap."""
    for _ in range(3):
        source, target = begin("a"), begin("b")
        accepted = _write_during_merge(desk, source, target)
        messages = messages_of(desk, target)
        assert [item["seq"] for item in messages] == list(range(1, 6 * 12 + 3))
        assert {item["body"] for item in messages} == {"a", "b", *accepted}
        assert messages_of(desk, source) == []
        assert any(item["original_conversation_id"] == source for item in messages[2:])


def _write_during_merge(desk: Client, source: str, target: str) -> set[str]:
    """Six write twelve each, three of them to the source; all that was answered with 201."""
    accepted: set[str] = set()
    enough = threading.Event()

    def write(writer: int) -> None:
        key = (source, target)[writer % 2]
        for number in range(12):
            body = f"{writer} {number}"
            message = {"direction": "note", "body": body}
            answer = desk.post(f"{PATH}/{key}/messages", message)
            if answer.status_code != 201:
                assert problem(answer) == (409, "conversation-merged")
                assert answer.json["merged_into_id"] == target
                key = target
                note(desk, key, body)
            accepted.add(body)
            if len(accepted) > 20:
                enough.set()

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, number) for number in range(6)]
        enough.wait(60)
        merged = merge(desk, source, target)
        for writer in writers:
            writer.result()
    assert merged.status_code == 200, merged.text
    return accepted

"""How much memory a gunicorn worker takes under the requests that cost the most of it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from app.domain.actors import Role
from tests.raw import Server
from tests.served import desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.served import Desk

MOST = 250  # MiB
CLIENTS = 6
BULK = 8 * 1024 * 1024 - 1000

# Incompressible, so that sizes in the table are those of the answers.
LARGE_TASKS = """
INSERT INTO tasks (id, kind, queue, input)
SELECT gen_random_uuid(), 'x', 'work', jsonb_build_object('number', number, 'text', (
    SELECT string_agg(md5((part + number)::text), '') FROM generate_series(1, 28000) AS part))
FROM generate_series(1, 100) AS number
"""


@pytest.fixture
def desk(template_url: str, tmp_path: Path) -> Iterator[Desk]:
    """One worker of four threads, so that all requests meet in it."""
    url = copy_template(template_url, f"memory_{os.getpid()}")
    settings = {
        "DATABASE_URL": url,
        "CASELOAD_SECRET_KEY": "k" * 32,
        "CASELOAD_WORKERS": "1",
        "CASELOAD_THREADS": "4",
    }
    with desk_on(url, tmp_path, **settings) as desk:
        yield desk
    drop(url)


def peak(desk: Desk) -> int:
    """The most MiB that the worker has had in memory so far."""
    master = desk.gunicorn.pid
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    lines = Path(f"/proc/{worker}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def all_at_once(send: Callable[[], int]) -> list[int]:
    """The statuses of what six clients get."""
    statuses: list[int] = []
    clients = [threading.Thread(target=lambda: statuses.append(send())) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return statuses


def test_lists_of_large_tasks_fit_into_memory(desk: Desk) -> None:
    """Six clients list a hundred tasks of 0.9 MiB each; it had taken 944 MiB."""
    desk.sql(LARGE_TASKS)
    server = Server(desk.port, desk.employ("viewer", Role.VIEWER).token)
    for _ in range(2):
        listed = all_at_once(lambda: server.ask("GET", "/v1/tasks?limit=100").status)
        assert listed == [200] * CLIENTS
    assert peak(desk) < MOST


def customers(of: str) -> bytes:
    """A bulk body of 8 MiB, of a thousand customers."""
    filling = "x" * (BULK // 1000 - 100)
    items = [
        {"reference": f"{of}-{number}", "name": "Ann", "attributes": {"text": filling}}
        for number in range(1000)
    ]
    return orjson.dumps({"items": items})


def flood(_: str) -> bytes:
    """8 MiB of empty lists; they had taken 1,042 MiB."""
    return b'{"items":[' + b",".join([b"[]"] * (BULK // 3)) + b"]}"


def unknown_fields(_: str) -> bytes:
    """8 MiB of fields that there are not; they had taken 2,394 MiB."""
    item = orjson.dumps({f"x{number}": 1 for number in range(900)})
    return b'{"items":[' + b",".join([item] * (BULK // (len(item) + 1))) + b"]}"


@pytest.mark.parametrize(
    ("body_of", "expected"), [(customers, 201), (flood, 413), (unknown_fields, 413)]
)
def test_bulk_bodies_fit_into_memory(
    desk: Desk, body_of: Callable[[str], bytes], expected: int
) -> None:
    """Six clients send 8 MiB at once: they are worked on one after the other, or refused."""
    server = Server(desk.port, desk.employ("staff", Role.STAFF).token)
    bodies = [body_of(f"C{number}") for number in range(CLIENTS)]
    sent = all_at_once(lambda: server.ask("POST", "/v1/customers/bulk", bodies.pop()).status)
    assert expected in sent
    assert set(sent) <= {expected, 503}  # who waited too long for a turn
    assert peak(desk) < MOST

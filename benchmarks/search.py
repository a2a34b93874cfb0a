"""What a search costs among 100,000 FAQs, and its plan.

    python -m benchmarks.search

They are loaded by COPY, with all indexes and triggers in place. Words are made up of syllables, as
frequent as words are: the n-th most frequent one 1/n as often, more or less. What is measured is a
repository's read, with the statement before it that says what was meant: the CPU of the backend and
of the client, which others on the machine do not change much, and the shortest time of all.
"""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from contextlib import closing, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from sqlalchemy.dialects import postgresql

from app.administration import MIGRATIONS
from app.db import Database, EngineOptions, Query, Sort
from app.db.repository import statements
from app.db.repository.search import BY_RANK, FullText
from app.embedded import EmbeddedServer
from app.repositories import FaqRepository
from benchmarks.processes import cpu_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

FAQS = 100_000
TIMES = 31
_FAQS = FaqRepository()
_SIZES = """
SELECT pg_size_pretty(pg_table_size('faqs')), pg_size_pretty(pg_relation_size('ix_faqs_search')),
    (SELECT count(*) FROM search_words), pg_size_pretty(pg_total_relation_size('search_words'))
"""


def vocabulary() -> list[str]:
    """20,000 different words, the most frequent first."""
    dice = random.Random(4)  # noqa: S311 - for no secret
    found: dict[str, None] = {}
    while len(found) < 20_000:
        count = 2 + len(found) % 3
        syllables = (dice.choice("bcdfghklmnprtvw") + dice.choice("aeiou") for _ in range(count))
        found["".join(syllables) + dice.choice("klmnrt")] = None
    return list(found)


def rows(words: list[str]) -> Iterator[tuple[str, str, bool]]:
    """A question of nine words, an answer of sixty, and whether it is published: two of three."""
    dice = random.Random(5)  # noqa: S311 - for no secret
    weights = list(accumulate(1 / (place + 10) for place in range(len(words))))
    for number in range(FAQS):
        drawn = dice.choices(words, cum_weights=weights, k=69)
        yield " ".join(drawn[:9]) + "?", " ".join(drawn[9:]) + ".", number % 3 > 0


@contextmanager
def server() -> Iterator[str]:
    """A throw-away one; yields its URL. One process per query, whose CPU tells all."""
    directory = Path(tempfile.mkdtemp(prefix="caseload-bench-"))
    directory.chmod(0o711)
    embedded = EmbeddedServer(
        directory, prepare=MIGRATIONS.upgrade, settings={"max_parallel_workers_per_gather": "0"}
    )
    try:
        yield embedded.url()
    finally:
        embedded.release()
        shutil.rmtree(directory)


class Meter:
    def __init__(self, database: Database) -> None:
        self.database = database
        with database.connect() as connection:
            self.pid: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()

    def measure(self, read: Callable[[Connection], object]) -> tuple[float, float, float]:
        """Medians of the backend's and the client's CPU, and the shortest time, in ms."""
        backend, client, whole = [], [], []
        for _ in range(TIMES):
            clocks = cpu_of(self.pid), time.process_time(), time.perf_counter()
            with self.database.connect(read_only=True) as connection:
                read(connection)
            whole.append((time.perf_counter() - clocks[2]) * 1000)
            client.append((time.process_time() - clocks[1]) * 1000)
            backend.append((cpu_of(self.pid) - clocks[0]) * 1e3)
        return statistics.median(backend), statistics.median(client), min(whole)


def report(meter: Meter, what: str, query: Query) -> None:
    """A line of the table: how many there are, a page of them, and their total."""
    with meter.database.connect(read_only=True) as connection:
        found = _FAQS.total(connection, query, exact_to=FAQS).count
    page = meter.measure(lambda connection: _FAQS.records(connection, query))
    total = meter.measure(lambda connection: _FAQS.total(connection, query))
    cells = [f"{found:,}", *(f"{ms:.1f}" for ms in (*page, total[0]))]
    print(f"| {what} | `{(query.search or '')[:24]}` | {' | '.join(cells)} |", flush=True)


def cases(words: list[str]) -> list[tuple[str, Query]]:
    rare, some, often, most = words[15_000], words[2_000], words[300], words[3]
    swapped = some[:2] + some[3] + some[2] + some[4:]
    asked = [
        ("a rare word", rare),
        ("a word", some),
        ("with two letters swapped", swapped),
        ("begun", some[:5]),
        ("a word, and one begun", f"{some} {often[:4]}"),
        ("three words", f"{often} {words[200]} {words[400]}"),
        ("no word", "xylophone"),
        ("25 misspelt words", " ".join(f"{word[:5]}qqu" for word in words[900:925])),
        ("a frequent word", often),
        ("one that stands in every fourth", words[30]),
        ("one that stands in every second", most),
        ("one letter", "k"),
    ]
    published = Query(search=often, sort=BY_RANK, filters={"is_published": True})
    newest = Query(search=often, sort=(Sort("created_at", descending=True),))
    return [
        *((what, Query(search=q, sort=BY_RANK)) for what, q in asked),
        ("a frequent word, published", published),
        ("a frequent word, the newest first", newest),
    ]


def plan(database: Database, url: str, query: Query) -> str:
    """Of a page, as PostgreSQL runs it."""
    assert isinstance(_FAQS.searched, FullText)
    with database.connect(read_only=True) as connection:
        meant = _FAQS.searched.parse(connection, query.search or "")
    statement = statements.page(_FAQS, statements.shape(query)).params(search=meant, limit=26)
    compiled = statement.compile(dialect=postgresql.psycopg2.dialect())  # type: ignore[no-untyped-call] # SQLAlchemy's
    with closing(psycopg2.connect(url)) as connection_, connection_.cursor() as cursor:
        for _ in range(2):  # the first one reads the catalogs
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {compiled}", compiled.params)
            lines = [line for (line,) in cursor.fetchall()]
    return "\n".join(lines)


def main() -> None:
    words = vocabulary()
    with server() as url, closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        database = Database(url, options=EngineOptions(pool_size=1))
        began = time.perf_counter()
        with database.connect(timeout=600) as unit:
            _FAQS.copy(unit, ("question", "answer", "is_published"), rows(words))
        print(f"{FAQS:,} FAQs, loaded in {time.perf_counter() - began:.0f} s")
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE faqs")
            cursor.execute("VACUUM ANALYZE search_words")
            cursor.execute(_SIZES)
            print("Table {}, index {}; {:,} words in {}".format(*(cursor.fetchone() or ())))
        print("\n| search | `q` | found | backend | client | shortest | total, backend |")
        print("|---|---|---|---|---|---|---|")
        meter = Meter(database)
        for what, query in cases(words):
            report(meter, what, query)
        print(f"\n{plan(database, url, cases(words)[1][1])}")
        database.dispose()


if __name__ == "__main__":
    main()

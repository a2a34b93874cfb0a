"""All rows of a database: kept once, compared, and put back where a test has changed them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import psycopg2

TABLES = (
    "users", "customers", "agents", "tokens", "conversations", "messages", "tasks",
    "task_attempts", "todos", "accounts", "transactions", "entries", "holds", "search_words",
    "products", "faqs", "idempotency_keys", "events", "event_personal_values",
)  # fmt: skip

# What is noted after the answer is out, for which nobody waits; and what a sequence gives out.
_APART = {"tokens": "last_used_at", "agents": "last_seen_at", "entries": "seq"}
_ALL = " UNION ALL ".join(
    f"SELECT '{table}', (to_jsonb(t) - '{_APART.get(table, '')}')::text FROM {table} AS t"
    for table in TABLES
)
_OTHERS = """
SELECT pid, state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    AND backend_type = 'client backend'
UNION ALL
SELECT pid, mode, objid::text FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Times, bytes, request ids, ids of transactions, and the numbers that a sequence gives out.
_EACH_TIME_ANOTHER = re.compile(
    r'"\d{4}-\d\d-\d\dT[^"]*"|"\\\\x[0-9a-f]*"|"[0-9a-f]{32}"|(?<="xid": )"\d+"'
    r'|(?<="number": )"?\d+"?|(?<="number": {"after": )"?\d+"?'
)
_OBJECTS = re.compile(r'(?<="objects": \[)[^\]]*')  # in no order

Content = Counter[tuple[str, str]]
"""Each row, with its table."""


@dataclass
class Rows:
    url: str
    kept: dict[str, bytes] = field(default_factory=dict)
    content: Content = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._connection = psycopg2.connect(self.url)

    def close(self) -> None:
        self._connection.close()

    def keep(self) -> None:
        """What is there now is what it is compared with, and put back."""
        with self._connection, self._connection.cursor() as cursor:
            for table in TABLES:
                written = BytesIO()
                cursor.copy_expert(f"COPY {table} TO STDOUT", written)
                self.kept[table] = written.getvalue()
        self.content = self.now()

    def now(self) -> Content:
        return Counter(self.run(_ALL))

    def put_back(self) -> None:
        """As they were, whatever triggers and foreign keys would say to it."""
        now = self.now()
        changed = {table for table, _ in (now - self.content) + (self.content - now)} | {*_APART}
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table in changed:
                cursor.execute(f"DELETE FROM {table}")
                cursor.copy_expert(f"COPY {table} FROM STDIN", BytesIO(self.kept[table]))

    def effect(self) -> tuple[list[str], list[str]]:
        """What came and what went, but for what is another one each time."""
        now = self.now()
        return self._told(now - self.content), self._told(self.content - now)

    def others(self) -> list[tuple[Any, ...]]:
        """Whoever else is in a transaction, or holds a lock beyond one."""
        return self.run(_OTHERS)

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _told(self, rows: Content) -> list[str]:
        known = set(_UUID.findall(" ".join(row for _, row in self.content)))

        def told(row: str) -> str:
            row = _UUID.sub(lambda found: found[0] if found[0] in known else "new", row)
            row = _OBJECTS.sub(lambda found: " ".join(sorted(found[0].split(", "))), row)
            return _EACH_TIME_ANOTHER.sub("?", row)

        return sorted(f"{table} {told(row)}" for table, row in rows.elements())

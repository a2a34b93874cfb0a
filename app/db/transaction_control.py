"""SQL text that ends a transaction, which only `Database` may."""

import re

_QUOTED = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|(\$\w*\$).*?\1|\bBEGIN\s+ATOMIC\b.*?;\s*END\b",
    re.DOTALL | re.IGNORECASE,
)
_END = re.compile(
    r"\s*(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION"
    r"|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b))\b",
    re.IGNORECASE,
)


def ends_transaction(sql: str) -> bool:
    """Whether one of the statements is COMMIT, ROLLBACK or the like, outside of quotes."""
    if ";" not in sql and "*/" not in sql and "--" not in sql:
        return _END.match(sql) is not None
    return any(_END.match(part) for part in _QUOTED.sub(" ", sql).split(";"))

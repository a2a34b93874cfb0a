"""Read off SQL text whether it certainly changes no row, and whether it ends a transaction."""

import re
from functools import lru_cache

_OPAQUE = re.compile(r"""--[^\n]*|'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_INSTEAD = {"-": " ", "'": "0", '"': '"'}  # by the first character
_LOCK = re.compile(r"\bfor\s+(no\s+key\s+)?update\b")
_READ = re.compile(r"\s*(select|with|values|table|show)\b")
_WRITE = re.compile(r"\b(insert|update|delete|merge|into|call|do|execute)\b")
_CALL = re.compile(r'([\w".:]*)\s*\(')
_UNREADABLE = ("\\", "$", "/*")  # escapes, other quotes, comments in comments

_MOST_CHARACTERS = 20_000

_HARMLESS = frozenset(
    """
    all and any array as between by case distinct else except exists filter from having ilike in
    intersect is join lateral like limit materialized not offset on or order over partition row
    select sets similar some then union using values when where with within
    char character decimal numeric time timestamp timestamptz varchar
    abs age array_agg array_length avg bool_and bool_or btrim cardinality cast ceil ceiling
    char_length clock_timestamp coalesce concat concat_ws count cume_dist current_setting date_part
    date_trunc dense_rank every extract first_value floor format generate_series gen_random_uuid
    greatest json_agg json_array_length json_build_object json_object_agg jsonb_agg
    jsonb_array_elements jsonb_array_length jsonb_build_object jsonb_object_agg jsonb_object_keys
    lag last_value lead least left length lower ltrim make_date make_interval max md5 min mod now
    ntile nullif octet_length overlay percent_rank percentile_cont percentile_disc pg_backend_pid
    pg_column_size pg_database_size pg_is_in_recovery pg_relation_size pg_size_pretty pg_sleep
    pg_total_relation_size pg_typeof position power random rank regexp_matches regexp_replace
    repeat replace right round row_number row_to_json rtrim sign split_part sqrt
    statement_timestamp string_agg string_to_array strpos substr substring sum to_char to_date
    to_json to_jsonb to_number to_regclass to_timestamp transaction_timestamp trim trunc unnest
    upper version width_bucket
    """.split()  # noqa: SIM905 - a line each would be 130 lines
)


@lru_cache(maxsize=512)
def is_plain_read(sql: str) -> bool:
    """Whether SQL text certainly changes no row.

    An unknown function may write, so a text that calls one is not a plain read.
    """
    if len(sql) > _MOST_CHARACTERS or any(mark in sql for mark in _UNREADABLE):
        return False
    words = _OPAQUE.sub(lambda found: _INSTEAD[found[0][0]], sql).lower()
    words = _LOCK.sub(" ", words)
    if not _READ.match(words) or ";" in words.rstrip().rstrip(";") or _WRITE.search(words):
        return False
    calls = (call.rpartition("::")[2] for call in _CALL.findall(words))
    return all(not call or call in _HARMLESS for call in calls)


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

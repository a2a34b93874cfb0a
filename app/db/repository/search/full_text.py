"""Full-text search: words in any form, begun or misspelt, by rank, and with snippets."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Text, bindparam, cast, func, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import InstrumentedAttribute

from ...marks import CHANGES_NOTHING
from ..pages import Sort
from ..searching import TextSearch
from .spelling import LONGEST, SHORTEST, closest
from .tables import APART, COLUMN, CONFIG

RANK = "rank"
BY_RANK = (Sort(RANK, descending=True),)

# The endings of English words. Stemming removes them, but not while one is being typed: "cancellat"
# is no prefix of "cancel".
_ENDINGS = (
    "abilities ability abler ably alities ally ances ants ationally ations atives ators edly"
    " ements encies ences eness ents fully fulness ibly ical ically ials ied iedly ingly ings"
    " iously isms ists ities iveness ivities ivity izations izers ized izes izing lessly nesses"
    " ously"
)
_REMAINDERS = sorted({ending[at:] for ending in _ENDINGS.split() for at in range(len(ending))})

# The lexemes of the text, in its order. If the last one is no prefix of a known lexeme, `outgrown`
# lists the lexemes that it becomes once an ending is complete ("cancellat" -> "cancel"). `similar`
# lists known lexemes for an unknown one, unless it is a number, or too short or too long to be
# corrected. A short word with two letters swapped shares few trigrams with the right one, so the
# words with two neighbours swapped are looked up too.
_LEXEMES = text("""
SELECT lexeme, is_last,
    CASE WHEN is_last AND NOT known AND char_length(lexeme) >= :shortest
        THEN ARRAY(SELECT DISTINCT word
            FROM unnest(CAST(:remainders AS text[])) AS remainder,
                LATERAL unnest(ts_lexize(:stemmer, lexeme || remainder)) AS stem,
                LATERAL (SELECT word FROM search_words
                    WHERE resource = :resource AND word = stem LIMIT 1) AS found) END AS outgrown,
    CASE WHEN NOT known AND lexeme !~ '[0-9]' AND char_length(lexeme) BETWEEN :shortest AND :longest
        THEN ARRAY(SELECT similar_words(:resource, lexeme) UNION
            SELECT word FROM search_words WHERE resource = :resource AND word IN
                (SELECT overlay(lexeme PLACING reverse(substr(lexeme, at, 2)) FROM at FOR 2)
                FROM generate_series(1, char_length(lexeme) - 1) AS at)) END AS similar
FROM (SELECT lexeme, place, place = max(place) OVER () AS is_last
      FROM unnest(to_tsvector(CAST(:config AS regconfig), translate(:text, :apart, :blank)))
          AS typed (lexeme, places, weights),
          LATERAL (SELECT max(place) AS place FROM unnest(places) AS place) AS newest) AS typed,
    LATERAL (SELECT EXISTS (SELECT FROM search_words WHERE resource = :resource
        AND word >= lexeme
        AND word <= CASE WHEN is_last THEN lexeme || chr(1114111) ELSE lexeme END) AS known) AS its
ORDER BY place
""")

_SETTINGS = {
    "config": CONFIG,
    "stemmer": f"{CONFIG}_stem",
    "remainders": _REMAINDERS,
    "apart": APART[0],
    "blank": APART[1],
    "shortest": SHORTEST,
    "longest": LONGEST,
}

# Escaped first, so that the marks are the only tags in it.
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))
_HEADLINE = (
    "StartSel=<mark>, StopSel=</mark>, MaxFragments=2, MaxWords=25, MinWords=10,"
    ' FragmentDelimiter=" … "'
)
_LONGEST = 10_000  # characters that are looked through for a snippet
_SEAM = "\x01"  # parts words that are written together, while a snippet is made


class FullText(TextSearch):
    """Search in the table's search column; a snippet is made of `texts`."""

    def __init__(self, *texts: InstrumentedAttribute[str]) -> None:
        table: Any = texts[0].expression.table
        self.resource: str = table.name
        self.condition: ColumnElement[bool] = table.c[COLUMN].bool_op("@@")(_query())
        # A whole number, so that equal ranks are equal. Long texts have no advantage (the 1).
        rank = func.ts_rank(table.c[COLUMN], _query(), 1) * 1_000_000
        whole_rank = cast(rank, Integer).label(RANK)
        whole = func.left(func.concat_ws("\n", *texts), _LONGEST)
        separated = _escaped(_with_seams(whole))
        snippet = func.ts_headline(CONFIG, separated, _query(), _HEADLINE)
        self.columns = (whole_rank, func.replace(snippet, _SEAM, "").label("snippet"))
        self.sorts = {RANK: whole_rank}

    def parse(self, connection: Connection, typed: str) -> str:
        """A tsquery: every word, the last one perhaps only begun, misspelt ones corrected."""
        bound = {**_SETTINGS, "resource": self.resource, "text": typed}
        options = {CHANGES_NOTHING: True}
        rows = connection.execute(_LEXEMES, bound, execution_options=options)
        return " & ".join(_term(*row) for row in rows)


def _query() -> ColumnElement[Any]:
    return cast(bindparam("search", type_=Text), TSQUERY)


def _with_seams(column: ColumnElement[str]) -> ColumnElement[str]:
    """With a seam after each separator, so that parts of paths and addresses are marked."""
    for mark in APART[0]:
        column = func.replace(column, mark, mark + _SEAM)
    return column


def _escaped(column: ColumnElement[str]) -> ColumnElement[str]:
    for raw, escape in _ESCAPES:
        column = func.replace(column, raw, escape)
    return column


def _term(
    lexeme: str,
    is_last: bool,  # noqa: FBT001 - a row
    outgrown: Sequence[str] | None,
    similar: Sequence[str] | None,
) -> str:
    if meant := outgrown or closest(lexeme, similar or (), begun=is_last):
        return f"({' | '.join(map(_quoted, meant))})"
    return _quoted(lexeme) + (":*" if is_last else "")


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"

"""CSV whose cells no spreadsheet takes for formulas, or for numbers that lose digits."""

from __future__ import annotations

import csv
import re
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Where to put an apostrophe: before text that begins, after blanks and quotes, like a formula, at
# the start of a cell, and after ; TAB and line ends, where a spreadsheet with other separators
# splits. At the start also before TAB and line ends, and before digits that a number would lose.
_RISKY = re.compile(
    r"""(?:^|(?<=[;\t\r\n])) (?=[\s"']*[=+\-@\uff1d\uff0b\uff0d\uff20])
      | ^ (?='*(?:[\t\r\n] | 0[0-9]+\Z | [0-9]{16,}\Z
            | [0-9]+\.?[0-9]*[eE]\+?[0-9]+\Z))""",
    re.VERBOSE,
)


def write_csv(
    file: IO[str], names: Sequence[str], rows: Iterable[Mapping[str, str | None]]
) -> None:
    """Write a header of `names` and the rows. All cells are quoted; None is an empty cell."""
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows([harmless(row[name] or "") for name in names] for row in rows)


def harmless(cell: str) -> str:
    """The cell, with apostrophes so that a spreadsheet reads it as text."""
    return _RISKY.sub("'", cell)

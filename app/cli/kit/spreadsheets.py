"""CSV of which no spreadsheet makes a formula, or a number that loses what it was."""

from __future__ import annotations

import csv
import re
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# An apostrophe goes in front of what begins, after blanks and quotes, like a formula: at the start
# of a cell, and after ; TAB and line ends, where a spreadsheet set to other separators splits. At
# the start also in front of TAB and line ends, and of digits that a number would not keep.
_RISKY = re.compile(
    r"""(?:^|(?<=[;\t\r\n])) (?=[\s"']*[=+\-@\uff1d\uff0b\uff0d\uff20])
      | ^ (?='*(?:[\t\r\n] | 0[0-9]+\Z | [0-9]{16,}\Z
            | [0-9]+\.?[0-9]*[eE]\+?[0-9]+\Z))""",
    re.VERBOSE,
)


def write_csv(
    file: IO[str], names: Sequence[str], rows: Iterable[Mapping[str, str | None]]
) -> None:
    """All cells are quoted; None is an empty one."""
    writer: Any = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows([harmless(row[name] or "") for name in names] for row in rows)


def harmless(cell: str) -> str:
    """As a spreadsheet shows it: text, and nothing else."""
    return _RISKY.sub("'", cell)

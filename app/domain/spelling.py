"""What a misspelt word may mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST = 4
"""Letters of a word that is corrected: what is shorter is too much like others."""

LONGEST = 40
"""Letters of a word that is corrected: what is longer is no word."""

_LONG = 6  # letters, with which a second slip is forgiven
_MOST = 5  # words that one may stand for


def closest(word: str, words: Iterable[str], *, begun: bool = False) -> list[str]:
    """Those of `words` that are the fewest slips away; none where that is too many.

    A word that is only `begun` may also be the misspelt beginning of one of them.
    """
    allowed = 0 if len(word) < SHORTEST else 1 if len(word) < _LONG else 2
    slips = {other: _slips(word, other, begun=begun) for other in words}
    fewest = min(slips.values(), default=allowed + 1)
    if fewest > allowed:
        return []
    return sorted(other for other, count in slips.items() if count == fewest)[:_MOST]


def _slips(word: str, other: str, *, begun: bool) -> int:
    whole = distance(word, other)
    return min(whole, distance(word, other[: len(word)])) if begun else whole


def distance(one: str, other: str) -> int:
    """Letters added, left out, replaced, or swapped with their neighbour."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, mate in enumerate(other, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != mate)))
            if i > 1 and j > 1 and letter == other[j - 2] and mate == one[i - 2]:
                row[-1] = min(row[-1], before[j - 2] + 1)
        before, above = above, row
    return above[-1]

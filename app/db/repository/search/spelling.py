"""The words that a misspelt word may mean."""

from collections.abc import Sequence

from rapidfuzz.distance import OSA

SHORTEST = 4
"""The fewest letters of a word that is corrected: shorter words resemble too many others."""

LONGEST = 40
"""The most letters of a word that is corrected."""

_LONG = 6  # letters, with which a second slip is forgiven
_MOST = 5  # words that one may stand for

# What stemming takes off a word that is right, but leaves on one with a slip in it: "customer" is
# known as "custom", and "custmoer" stays as it is. Some have lost their last letter by then.
_TAKEN_OFF = (
    "s es ed er ers ing ings ly al ally ial ic ical anc ance enc ence ant ent abl able ibl ible"
    " ment ement ion ions at ate ation ations ator iti ity ous iv ive iz ize izat ization ism"
    " ist ness ful fulli y i e"
)
_ENDINGS = _TAKEN_OFF.split()


def closest(word: str, words: Sequence[str], *, begun: bool = False) -> list[str]:
    """Those of `words`, which are stems, that are the fewest slips away; none where too many.

    A slip is a letter added, left out, replaced, or swapped with the next. Only where no stem is
    near, those that are with some ending. A word that is only `begun` may also be the misspelt
    beginning of one.
    """
    return _closest(word, words, ("",), begun=begun) or _closest(word, words, _ENDINGS, begun=begun)


def _closest(word: str, words: Sequence[str], endings: Sequence[str], *, begun: bool) -> list[str]:
    allowed = 0 if len(word) < SHORTEST else 1 if len(word) < _LONG else 2
    slips = {
        stem: min(_slips(word, stem + ending, allowed, begun=begun) for ending in endings)
        for stem in words
    }
    fewest = min(slips.values(), default=allowed + 1)
    if fewest > allowed:
        return []
    return sorted(stem for stem, count in slips.items() if count == fewest)[:_MOST]


def _slips(word: str, other: str, allowed: int, *, begun: bool) -> int:
    """At most one more than is allowed."""
    whole = OSA.distance(word, other, score_cutoff=allowed)
    if not begun:
        return whole
    return min(whole, OSA.distance(word, other[: len(word)], score_cutoff=allowed))

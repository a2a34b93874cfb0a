"""What a misspelt word may mean."""

from __future__ import annotations

import pytest

from app.domain.spelling import closest, distance

WORDS = ["card", "cart", "refund", "refuse", "password", "statement", "state"]


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("", "", 0),
        ("card", "card", 0),
        ("", "card", 4),
        ("crd", "card", 1),
        ("carrd", "card", 1),
        ("cord", "card", 1),
        ("crad", "card", 1),
        ("racd", "card", 2),
        ("kitten", "sitting", 3),
    ],
)
def test_a_slip_is_one_letter_or_two_swapped(one: str, other: str, slips: int) -> None:
    """In both directions."""
    assert distance(one, other) == distance(other, one) == slips


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("carf", "card cart"),  # two that are as near
        ("cardd", "card"),
        ("crd", ""),  # too short to tell
        ("fards", ""),  # two slips in a short word
        ("refudn", "refund"),
        ("pasworrd", "password"),
        ("keyboard", ""),
        ("", ""),
    ],
)
def test_the_nearest_words_are_meant(word: str, meant: str) -> None:
    """Where one slip is enough, nothing that takes two."""
    assert closest(word, WORDS) == meant.split()


def test_a_word_that_is_begun_may_be_wrong_already() -> None:
    """Then it is compared with the beginnings of others."""
    assert closest("stetem", ["statement"]) == []
    assert closest("stetem", WORDS, begun=True) == ["statement"]


def test_no_word_stands_for_many() -> None:
    """Five at most, whatever is similar."""
    assert len(closest("words", [f"word{letter}" for letter in "abcdefgh"])) == 5

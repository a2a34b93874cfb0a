"""What a misspelt word may mean."""

from __future__ import annotations

import pytest

from app.db.repository.search.spelling import closest

WORDS = ["card", "cart", "refund", "refuse", "password", "statement", "state"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("carf", "card cart"),  # two that are as near
        ("cardd", "card"),
        ("crd", ""),  # too short to tell
        ("fadrs", ""),  # two slips in a short word
        ("fards", "card"),  # one, and an ending
        ("refudn", "refund"),
        ("pasworrd", "password"),
        ("keyboard", ""),
        ("crad", "card"),
        ("racd", ""),
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


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("custmoer", "custom"),
        ("insurnac", "insur"),  # as stemming leaves "insurnace"
        ("insurannc", "insur"),
        ("approvla", "approv"),
        ("cancelaltion", "cancel"),
        ("notificaiton", "notif"),
    ],
)
def test_a_slip_may_be_in_the_ending(word: str, stem: str) -> None:
    """Which stemming takes off a word that is right."""
    assert closest(word, [stem, "refund"]) == [stem]

"""Statements are kept per repository class and shape, within a bound that no client can widen."""

from __future__ import annotations

from itertools import combinations

import pytest
from sqlalchemy import select

from app.db import Prepared, Query, Sort
from app.db.repository import statements
from app.db.repository.shape_cache import ShapeCache
from app.repositories import CustomerRepository, TaskRepository

SIZE = 4


@pytest.fixture
def cache() -> ShapeCache:
    return ShapeCache(SIZE)


def build() -> Prepared:
    return Prepared(select())


def ask(cache: ShapeCache, key: str, times: int = 1) -> None:
    for _ in range(times):
        cache.get(key, build)


def test_a_kept_statement_is_built_once(cache: ShapeCache) -> None:
    assert cache.get("a", build).statement is cache.get("a", build).statement


def test_it_never_keeps_more_than_its_size(cache: ShapeCache) -> None:
    for number in range(1000):
        ask(cache, f"{number}", times=1 + number % 3)
        assert len(cache) <= SIZE


def test_statements_asked_for_rarely_displace_none_asked_for_often(cache: ShapeCache) -> None:
    """A thousand other lists, each of them asked for once or twice, between two requests."""
    hot = [f"hot {number}" for number in range(SIZE)]
    for _ in range(5):
        for key in hot:
            ask(cache, key, times=3)
        for number in range(3):
            ask(cache, f"cold {number}", times=2)
    assert all(key in cache for key in hot)


def test_a_statement_asked_for_often_is_kept_though_the_cache_was_full(cache: ShapeCache) -> None:
    for number in range(SIZE):
        ask(cache, f"cold {number}")
    ask(cache, "hot", times=2)
    assert "hot" in cache


def test_what_was_asked_for_often_long_ago_makes_room(cache: ShapeCache) -> None:
    for number in range(SIZE):
        ask(cache, f"old {number}", times=5)
    ask(cache, "new", times=10 * SIZE)
    assert "new" in cache


def test_a_statement_that_is_not_kept_is_built_each_time(cache: ShapeCache) -> None:
    for number in range(SIZE):
        ask(cache, f"{number}", times=3)
    assert cache.get("rare", build) is not cache.get("rare", build)
    assert cache.get("1", build) is cache.get("1", build)


def test_the_order_of_filters_makes_no_other_statement() -> None:
    """`?a&b` and `?b&a` share one, and so do all repositories of a class."""
    filters = {"status": "pending", "queue": "work"}
    turned = dict(reversed(filters.items()))
    one, other = (
        statements.prepared(statements.page, TaskRepository(), statements.shape(query))
        for query in (Query(filters=filters), Query(filters=turned))
    )
    assert one is other
    assert statements.record(TaskRepository(), include_deleted=False) is statements.record(
        TaskRepository(), include_deleted=False
    )


def test_repositories_of_other_classes_share_nothing() -> None:
    shape = statements.shape(Query())
    tasks, customers = (
        statements.prepared(statements.page, repository, shape)
        for repository in (TaskRepository(), CustomerRepository())
    )
    assert tasks.statement is not customers.statement


def test_lists_of_many_shapes_keep_a_bounded_number_of_statements() -> None:
    """As many as one client can think of, and the list that others ask for is still kept."""
    repository = TaskRepository()
    usual = statements.shape(Query(filters={"status": "pending"}))
    for _ in range(5):
        kept = statements.prepared(statements.page, repository, usual)
    for names in list(combinations(sorted(repository.filters), 3))[:400]:
        query = Query(filters=dict.fromkeys(names), sort=(Sort("priority"),))
        statements.prepared(statements.page, repository, statements.shape(query))
    assert statements.prepared(statements.page, repository, usual) is kept
    assert len(statements._OF_CLIENTS) <= 256

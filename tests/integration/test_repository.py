"""The generic repository, by way of customers and users."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from app.db import Query, Repository, Sort
from app.db.errors import InvalidCriterion, NotUnique, VersionMismatch
from app.models import Customer, Transaction, User
from app.repositories import CustomerRepository, UserRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from app.db.testing import RoundTrips

    NewCustomer = Callable[..., Customer]

REPOSITORY = CustomerRepository()
BY_EMAIL = (Sort("email"), Sort("name", descending=True))


def test_a_resource_needs_no_more_than_its_model(
    database: Database, new_customer: NewCustomer
) -> None:
    """The base does the work; a plain repository adds nothing."""

    class Plain(Repository[Customer]):
        model = Customer

    key = new_customer("A").id
    with database.session() as session:
        assert Plain().get(session, key) is not None


def test_a_model_that_cannot_be_deleted_softly_has_no_whole_repository() -> None:
    """The class is refused where it is written, and the message says which bases fit."""
    with pytest.raises(TypeError) as caught:

        class Transactions(Repository[Transaction]):  # type: ignore[type-var] # the mistake that is tried
            model = Transaction

    assert str(caught.value) == (
        "Transactions deletes softly, and its model Transaction does not inherit DeletableResource."
        " Inherit that in the model, or compose the repository of the parts that it needs:"
        " Reader, Inserter, Updater, BulkWriter, MassWriter."
    )


def test_get_finds_live_rows_only(database: Database, new_customer: NewCustomer) -> None:
    """A deleted row is missing unless it is asked for, in the ORM and in Core alike."""
    key = new_customer("A").id
    with database.session() as session:
        connection = session.connection()
        assert REPOSITORY.soft_delete(connection, key)
        assert REPOSITORY.get(session, key) is None
        assert REPOSITORY.get(session, key, include_deleted=True) is not None
        assert REPOSITORY.find(session, reference="A") is None
        assert session.scalars(select(Customer)).all() == []
        assert REPOSITORY.record(connection, key) is None
        assert REPOSITORY.record(connection, key, include_deleted=True) is not None
        assert not REPOSITORY.exists(connection, key)
        assert REPOSITORY.exists(connection, key, include_deleted=True)
        assert REPOSITORY.count(connection) == 0
        assert REPOSITORY.page(session, Query()).items == []
        assert REPOSITORY.records(connection, Query()).items == []
        deleted = Query(include_deleted=True)
        assert len(REPOSITORY.page(session, deleted).items) == 1
        assert len(REPOSITORY.records(connection, deleted).items) == 1


def test_a_missing_row_is_none(database: Database) -> None:
    """A repository raises nothing for it; the service decides what it means."""
    key = uuid7()
    with database.session() as session:
        connection = session.connection()
        assert REPOSITORY.get(session, key) is None
        assert REPOSITORY.record(connection, key) is None
        assert REPOSITORY.soft_delete(connection, key) is None
        assert REPOSITORY.soft_delete(connection, key, expected=[1]) is None
        assert REPOSITORY.restore(connection, key) is None


def test_update_tells_what_changed(database: Database, new_customer: NewCustomer) -> None:
    """Only the fields that differ, with both values; equal ones cost no statement."""
    key = new_customer("A", attributes={"vip": 1}).id
    with database.session() as session:
        customer = REPOSITORY.get(session, key, lock=True)
        assert customer is not None
        changes = REPOSITORY.update(session, customer, {"name": "Bea", "reference": "A"})
        assert changes == {"name": ("Ann", "Bea")}
        assert customer.version == 2
        assert REPOSITORY.update(session, customer, {"name": "Bea"}) == {}
        assert customer.version == 2


@pytest.mark.parametrize(("value", "version"), [(True, 2), ("1", 2), ([1], 2), (1.0, 1)])
def test_json_values_are_compared_as_postgresql_compares_them(
    database: Database, new_customer: NewCustomer, value: object, version: int
) -> None:
    """To Python 1 and true are equal, to JSON they are not; 1.0 is the same number as 1."""
    key = new_customer("A", attributes={"vip": 1}).id
    with database.session() as session:
        customer = REPOSITORY.get(session, key, lock=True)
        assert customer is not None
        changes = REPOSITORY.update(session, customer, {"attributes": {"vip": value}})
        assert (bool(changes), customer.version) == (version == 2, version)


def test_update_refuses_a_field_that_is_no_column(
    database: Database, new_customer: NewCustomer
) -> None:
    """A typo would otherwise be a silent no-op."""
    key = new_customer("A").id
    with pytest.raises(AttributeError), database.session() as session:
        customer = REPOSITORY.get(session, key, lock=True)
        assert customer is not None
        REPOSITORY.update(session, customer, {"nmae": "Bea"})


def test_an_expected_version_is_checked_by_every_write(
    database: Database, new_customer: NewCustomer
) -> None:
    """Update, soft delete and restore each refuse another version than the caller knows."""
    key = new_customer("A").id
    with database.session() as session:
        connection = session.connection()
        customer = REPOSITORY.get(session, key, lock=True)
        assert customer is not None
        with pytest.raises(VersionMismatch):
            REPOSITORY.update(session, customer, {"name": "Bea"}, expected=[2])
        with pytest.raises(VersionMismatch):
            REPOSITORY.soft_delete(connection, key, expected=[2, 3])
        assert REPOSITORY.soft_delete(connection, key, expected=[1])
        with pytest.raises(VersionMismatch):
            REPOSITORY.restore(connection, key, expected=[1])
        assert REPOSITORY.restore(connection, key, expected=[2])


def test_of_two_updates_that_expect_one_version_one_wins(
    database: Database, new_customer: NewCustomer, sql: Callable[..., Any]
) -> None:
    """Raced by two threads: the second one reads the first one's version under its lock."""
    key = new_customer("A").id
    outcomes = []
    start = threading.Barrier(2)

    def rename(name: str) -> None:
        start.wait()
        try:
            with database.session() as session:
                customer = REPOSITORY.get(session, key, lock=True)
                assert customer is not None
                REPOSITORY.update(session, customer, {"name": name}, expected=[1])
            outcomes.append(name)
        except VersionMismatch:
            outcomes.append("lost")

    threads = [threading.Thread(target=rename, args=(name,)) for name in ("Bea", "Cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = (set(outcomes) - {"lost"}).pop()
    assert sorted(outcomes) == sorted([winner, "lost"])
    assert sql("SELECT name, version FROM customers") == [(winner, 2)]


def test_unique_values_are_free_again_after_deletion(
    database: Database, new_customer: NewCustomer
) -> None:
    """And a restore into a taken one says so, with the field."""
    key = new_customer("A").id
    with database.connect() as connection:
        REPOSITORY.soft_delete(connection, key)
    new_customer("A")
    with pytest.raises(NotUnique) as caught, database.connect() as connection:
        REPOSITORY.restore(connection, key)
    assert (caught.value.resource, caught.value.fields) == ("customers", ("reference",))


def test_a_find_of_several_rows_is_an_error(database: Database) -> None:
    """One of the domain, not SQLAlchemy's: the filters were not of unique fields."""
    with database.session() as session:
        for reference in ("A", "B"):
            REPOSITORY.add(session, Customer(reference=reference, name="Ann"))
        with pytest.raises(InvalidCriterion, match="Several rows have this name"):
            REPOSITORY.find(session, name="Ann")
        found = REPOSITORY.find(session, name="Ann", reference="B")
        assert found is not None
        assert found.reference == "B"


def test_an_unknown_filter_operator_or_value_is_an_error(database: Database) -> None:
    """Never "all rows"."""
    with database.session() as session:
        for filters in (
            {"nmae": "Ann"},
            {"name__lt": "Ann"},
            {"name__like": "Ann"},
            {"name": None},
            {"name": 1},
            {"created_at__gte": "2026-01-01"},
            {},
        ):
            with pytest.raises(InvalidCriterion):
                REPOSITORY.find(session, **filters)
        with pytest.raises(InvalidCriterion):
            REPOSITORY.records(session.connection(), Query(sort=(Sort("attributes"),)))
        with pytest.raises(InvalidCriterion):
            REPOSITORY.count(session.connection(), secret="x")


def test_like_takes_wildcards_literally(database: Database, new_customer: NewCustomer) -> None:
    """A search for % finds what holds a %."""
    for reference in ("50%", "50_", "50\\", "500"):
        new_customer(reference)
    with database.connect() as connection:
        for wanted in ("%", "_", "\\"):
            assert REPOSITORY.count(connection, reference__contains=wanted) == 1
            assert len(REPOSITORY.records(connection, Query(search=wanted)).items) == 1


@pytest.mark.parametrize(
    "sort",
    [
        (Sort("created_at"),),
        (Sort("email"),),
        (Sort("email", descending=True),),
        (Sort("name"), Sort("email", descending=True)),
        BY_EMAIL,
        (Sort("name", descending=True), Sort("reference")),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [1, 3, 50])
def test_pages_have_no_gap_and_no_repeat(
    database: Database, new_customer: NewCustomer, sort: tuple[Sort, ...], size: int
) -> None:
    """With ties, NULLs and mixed directions the pages are the one sorted list, cut in pieces."""
    with database.connect():  # one unit: all created_at are equal
        for i in range(12):
            new_customer(
                f"C{i}", name=f"N{i % 3}", email=f"{i % 5}{i}@x.example" if i % 2 else None
            )
    with database.session() as session:
        whole = [
            row["id"] for row in REPOSITORY.records(session.connection(), Query(sort=sort)).items
        ]
        records, entities, after = [], [], None
        while True:
            query = Query(sort=sort, limit=size, after=after)
            page = REPOSITORY.records(session.connection(), query)
            records += [row["id"] for row in page.items]
            entities += [entity.id for entity in REPOSITORY.page(session, query).items]
            if (after := page.next) is None:
                break
    assert len(set(whole)) == 12
    assert records == entities == whole


def test_a_total_is_exact_up_to_its_cap_and_then_an_estimate(
    database: Database, new_customer: NewCustomer, sql: Callable[..., Any]
) -> None:
    """Counting for ever is nobody's wish."""
    for i in range(5):
        new_customer(f"C{i}")
    sql("ANALYZE customers")
    with database.connect() as connection:
        exact = REPOSITORY.total(connection, Query(limit=1))
        assert (exact.count, exact.is_estimate) == (5, False)
        estimate = REPOSITORY.total(connection, Query(limit=1), exact_to=3)
        assert (estimate.count >= 4, estimate.is_estimate) == (True, True)


def test_a_statement_is_built_once(
    database: Database, new_customer: NewCustomer, round_trips: RoundTrips
) -> None:
    """Two reads of one shape send the same text."""
    keys = [new_customer(reference).id for reference in "AB"]
    with database.connect(read_only=True) as connection:
        round_trips.take()
        for key in keys:
            REPOSITORY.record(connection, key)
    first, second = round_trips.take()
    assert first == second


@pytest.mark.parametrize("by_core", [True, False])
def test_version_and_updated_at_move_on_every_path(
    database: Database, new_customer: NewCustomer, by_core: bool
) -> None:
    """One trigger moves them, so the ORM and Core agree."""
    customer = new_customer("A")
    with database.session() as session:
        if by_core:
            session.connection().execute(update(Customer.__table__).values(name="Bea"))
        found = REPOSITORY.get(session, customer.id, lock=True)
        assert found is not None
        if not by_core:
            REPOSITORY.update(session, found, {"name": "Bea"})
    assert (found.version, found.created_at) == (2, customer.created_at)
    assert found.updated_at > customer.updated_at


def test_deactivate_tells_who_was_active(database: Database) -> None:
    """One statement locks, looks and changes."""
    repository = UserRepository()
    with database.session() as session:
        people = [
            repository.add(
                session, User(email=f"{n}@x.example", name=n, role="viewer", is_active=n == "a")
            )
            for n in "ab"
        ]
        missing = uuid7()
        found = repository.deactivate(session.connection(), [*(p.id for p in people), missing])
        assert found == {people[0].id: True, people[1].id: False}
        assert [p.is_active for p in people] == [False, False]
        assert [p.version for p in people] == [2, 1]

"""Rule 4: Core and ORM see the same rows on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    Table,
    column,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, load_only, mapped_column
from uuid_utils.compat import uuid7

from app.db.errors import Contention
from app.models import Customer, User
from app.repositories import CustomerRepository
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from app.db import Database
    from app.db.testing import RoundTrips

    NewCustomer = Callable[..., Customer]

CUSTOMERS = Customer.__table__
RENAME = update(CUSTOMERS).values(name="Bea")


def load(session: Session) -> Customer:
    return session.scalars(select(Customer)).one()


def test_pending_orm_changes_are_flushed_before_a_core_statement(database: Database) -> None:
    """Core reads what the ORM has only noted down so far."""
    with database.session() as session:
        session.add(Customer(reference="A", name="Ann"))
        counted = session.connection().execute(select(func.count()).select_from(CUSTOMERS))
        assert counted.scalar() == 1


@pytest.mark.parametrize(
    "statement",
    [
        RENAME,
        RENAME.returning(CUSTOMERS.c.id),
        select(RENAME.returning(CUSTOMERS.c.id).cte()),
        text("UPDATE customers SET name = 'Bea'"),
        text("UPDATE customers SET name = 'Bea' RETURNING id").columns(CUSTOMERS.c.id),
        select(text("UPDATE customers SET name = 'Bea' RETURNING id").columns().cte()),
        upsert(CUSTOMERS)
        .from_select(
            ["id", "reference", "name"],
            select(CUSTOMERS.c.id, CUSTOMERS.c.reference, CUSTOMERS.c.name),
        )
        .on_conflict_do_update(index_elements=["id"], set_={"name": "Bea"}),
        update(Customer).values(name="Bea"),
    ],
    ids=["update", "returning", "cte", "text", "columns", "text in a cte", "upsert", "orm-enabled"],
)
def test_what_a_statement_changed_is_read_anew(
    database: Database, new_customer: NewCustomer, statement: Any
) -> None:
    """A loaded object shows the value that a Core statement wrote behind its back."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        session.connection().execute(statement)
        assert (customer.name, customer.version) == ("Bea", 2)


def test_what_driver_sql_changed_is_read_anew(
    database: Database, new_customer: NewCustomer
) -> None:
    """Its parameters have no names."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        session.connection().exec_driver_sql("UPDATE customers SET name = %s", ("Bea",))
        assert customer.name == "Bea"


def test_a_statement_on_one_table_leaves_the_others_loaded(
    database: Database, new_customer: NewCustomer, round_trips: RoundTrips
) -> None:
    """Only the objects of the table that changed cost another read."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        session.connection().execute(update(User.__table__).values(name="x"))
        round_trips.take()
        assert customer.name == "Ann"
        assert round_trips.take() == []


def test_a_plain_insert_expires_nothing(
    database: Database, new_customer: NewCustomer, round_trips: RoundTrips
) -> None:
    """It changes no row that could be loaded already."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        values = {"id": uuid7(), "reference": "B", "name": "Ben"}
        session.connection().execute(insert(CUSTOMERS), values)
        round_trips.take()
        assert customer.name == "Ann"
        assert round_trips.take() == []


def test_a_core_soft_delete_leaves_no_live_looking_object(
    database: Database, new_customer: NewCustomer
) -> None:
    """The case that plain SQLAlchemy gets wrong."""
    key = new_customer("A").id
    repository = CustomerRepository()
    with database.session() as session:
        customer = repository.get(session, key)
        assert customer is not None
        repository.soft_delete(session.connection(), key)
        assert customer.deleted_at is not None
        assert repository.get(session, key) is None


def test_what_leaves_the_outermost_block_is_loaded(
    database: Database, new_customer: NewCustomer
) -> None:
    """Expired objects are read again before COMMIT: never a DetachedInstanceError in a view."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        session.connection().execute(RENAME)
    assert (customer.name, customer.version) == ("Bea", 2)


def test_a_deleted_row_leaves_its_last_values(
    database: Database, new_customer: NewCustomer
) -> None:
    """An object whose row a Core DELETE removed can still be dumped."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        session.connection().execute(delete(CUSTOMERS))
    assert customer.name == "Ann"


def test_a_deleted_row_leaves_its_last_values_after_a_rolled_back_savepoint_too(
    database: Database, new_customer: NewCustomer
) -> None:
    """What the savepoint expired is read while its row is still there."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        with pytest.raises(LookupError), database.savepoint():
            customer.name = "Bea"
            session.flush()
            raise LookupError
        session.connection().execute(delete(CUSTOMERS))
    assert customer.name == "Ann"


def test_a_locked_read_reads_again(
    database: Database, new_customer: NewCustomer, sql: Callable[..., Any]
) -> None:
    """A lock on the row as it was read before would be a lost update."""
    key = new_customer("A").id
    repository = CustomerRepository()
    with database.session() as session:
        customer = repository.get(session, key)
        sql("UPDATE customers SET name = 'Bea'")
        assert customer is not None
        assert customer.name == "Ann"
        assert repository.get(session, key, lock=True) is customer
        assert customer.name == "Bea"


def test_an_update_of_what_was_read_before_another_commit_fails(
    database: Database, new_customer: NewCustomer, sql: Callable[..., Any]
) -> None:
    """Without a lock the version guards the ORM's write: no update is lost."""
    key = new_customer("A").id
    with pytest.raises(Contention), database.session() as session:
        customer = CustomerRepository().get(session, key)
        assert customer is not None
        sql("UPDATE customers SET name = 'Bea'")
        customer.name = "Cleo"
    assert sql("SELECT name, version FROM customers") == [("Bea", 2)]


def test_a_rolled_back_savepoint_takes_the_objects_values_back(
    database: Database, new_customer: NewCustomer
) -> None:
    """What the ORM shows after it is what the database holds."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        with pytest.raises(LookupError), database.savepoint():
            customer.name = "Bea"
            session.flush()
            raise LookupError
        assert customer.name == "Ann"


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "coherence_parents"
    id: Mapped[int] = mapped_column(primary_key=True)


class Child(Base):
    __tablename__ = "coherence_children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("coherence_parents.id", ondelete="SET NULL")
    )


TRIGGERED = Table(
    "coherence_triggered",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    info={"side_effects": True},
)

TRIGGER = """
CREATE FUNCTION coherence() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE coherence_children SET parent_id = NULL; RETURN NULL; END $$;
CREATE TRIGGER coherence AFTER INSERT ON coherence_triggered
    FOR EACH STATEMENT EXECUTE FUNCTION coherence();
"""


@pytest.fixture
def family(database: Database) -> Iterator[None]:
    """A parent and a child, in tables whose rows the database itself changes."""
    with database.connect() as connection:
        Base.metadata.create_all(connection)
        connection.execute(text(TRIGGER))
    with database.session() as session:
        session.add(Parent(id=1))
        session.flush()
        session.add(Child(id=1, parent_id=1))
    yield
    with database.connect() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP FUNCTION coherence()"))


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize(
    "statement",
    [delete(Base.metadata.tables["coherence_parents"]), insert(TRIGGERED).values(id=1)],
    ids=["cascade", "trigger"],
)
def test_what_the_database_changes_by_itself_is_read_anew(
    database: Database, statement: Any
) -> None:
    """Cascades are read off the foreign keys, triggers off the table's info."""
    with database.session() as session:
        child = session.scalars(select(Child)).one()
        session.connection().execute(statement)
        assert child.parent_id is None


def test_what_was_read_inside_a_rolled_back_savepoint_is_read_anew(
    database: Database, new_customer: NewCustomer
) -> None:
    """A value that never came to be does not outlive the savepoint."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        with pytest.raises(LookupError), database.savepoint():
            session.connection().execute(RENAME)
            assert customer.name == "Bea"
            raise LookupError
        assert customer.name == "Ann"
    assert customer.name == "Ann"


def test_a_bare_table_expires_everything(database: Database, new_customer: NewCustomer) -> None:
    """What can't be told apart is read anew."""
    new_customer("A")
    with database.session() as session:
        customer = load(session)
        bare = table("customers", column("name"))
        session.connection().execute(update(bare).values(name="Cleo"))
        assert customer.name == "Cleo"


READ_TEXT = text("SELECT count(*) FROM customers WHERE name = 'Ann'")
UNKNOWN_TEXT = text("SELECT set_config('coherence.test', 'x', true)")


@pytest.mark.parametrize(
    ("statement", "read_only"),
    [
        (READ_TEXT, False),
        (UNKNOWN_TEXT.execution_options(changes_nothing=True), False),
        (UNKNOWN_TEXT, True),
    ],
    ids=["plain", "changes_nothing", "read-only"],
)
def test_text_that_changes_nothing_expires_nothing(
    database: Database,
    new_customer: NewCustomer,
    round_trips: RoundTrips,
    statement: Any,
    read_only: bool,
) -> None:
    """A text that plainly reads, one that says so, and every one in a read-only unit."""
    new_customer("A")
    with database.session(read_only=read_only) as session:
        customer = load(session)
        session.execute(statement)
        round_trips.take()
        assert customer.name == "Ann"
        assert round_trips.take() == []


def test_an_object_that_nobody_holds_any_more_is_left_alone(
    database: Database, new_customer: NewCustomer
) -> None:
    """Its state may live on for a moment, in a traceback or until the garbage is collected."""
    key = new_customer("A").id
    with database.session() as session:
        customer = CustomerRepository().get(session, key)
        state = inspect(customer)
        session.connection().execute(delete(CUSTOMERS).where(CUSTOMERS.c.id == key))
        del customer
        assert state.obj() is None


def test_a_column_that_a_new_object_left_unset_shows_what_core_wrote(library: Database) -> None:
    """SQLAlchemy keeps no value for such a column, and it is expired all the same."""
    with library.session() as session:
        book = BOOKS.add(session, Book(title="T", isbn="1"))
        written = {"notes": {"shelf": "A"}}
        BOOKS.update_where(session.connection(), written, at_most=1, isbn="1")
        assert book.notes == written["notes"]
        BOOKS.soft_delete(session.connection(), book.id)
        assert book.deleted_at is not None


def test_a_column_that_a_new_object_left_unset_can_be_cleared_after_core(library: Database) -> None:
    """The write is compared with the value in the row."""
    with library.session() as session:
        book = BOOKS.add(session, Book(title="T", isbn="1"))
        notes = {"notes": {"shelf": "A"}}
        BOOKS.update_where(session.connection(), notes, at_most=1, isbn="1")
        assert BOOKS.update(session, book, {"notes": None})
    with library.session(read_only=True) as session:
        assert session.get_one(Book, book.id).notes is None


def test_a_column_that_was_not_loaded_stays_unloaded(library: Database) -> None:
    """Core expires what the session has loaded, and nothing else."""
    with library.session() as session:
        BOOKS.add(session, Book(title="T", isbn="1", cover=b"large"))
    with library.session() as session:
        book = session.scalars(select(Book).options(load_only(Book.title))).one()
        session.connection().execute(update(Book.__table__).values(title="new"))
        assert book.title == "new"
        assert "cover" in inspect(book).unloaded

from __future__ import annotations

import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

from app import create_app
from app.embedded import find_bindir
from app.settings import Settings
from tests import commands
from tests.bank import Bank
from tests.client import Client
from tests.conversations import PATH, moment
from tests.desk import TASK, DeskWork
from tests.merging import note
from tests.scene import Scene, scene_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from sqlalchemy.engine import ExceptionContext

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]
    Hire = Callable[..., Client]
    SignIn = Callable[..., Client]

ROOT = Path(__file__).parents[2]
_COUNTED_WRONG = """
SELECT id FROM tasks AS parent WHERE open_subtasks <> (
    SELECT count(*) FROM tasks AS child WHERE child.parent_id = parent.id
    AND status IN ('pending', 'running') AND deleted_at IS NULL)
"""


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    """In which a command works on this worker's database."""
    return {**os.environ, "DATABASE_URL": database_url, "CASELOAD_SECRET_KEY": "k" * 32}


@pytest.fixture
def flask(app: Flask, environment: dict[str, str]) -> Run:
    """Run `flask` as a user would; `app` empties the database afterwards."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return commands.run(arguments, {**environment, **settings})

    return run


@pytest.fixture
def desk(staff: Client, database_url: str) -> Iterator[Client]:
    """A client of a service with room for a crowd, on a machine that may be busy."""
    app = create_app(
        Settings(
            database_url=database_url,
            given_secret_key="k" * 32,
            pool_size=8,
            pool_timeout=60,
            lock_timeout=60,
            token_cache=60,
        )
    )
    client = Client(app, staff.token, user_id=staff.user_id)
    client.get("/v1/me")  # the token is known from here on
    yield client
    app.extensions["database"].dispose()


@pytest.fixture
def threshold(shared_app: Flask) -> Iterator[None]:
    """Amounts over 100 need a second user."""
    settings = shared_app.extensions["settings"]
    strict = Settings(
        database_url=settings.database_url,
        given_secret_key="k" * 32,
        approval_threshold=Decimal(100),
    )
    shared_app.extensions["settings"] = strict
    yield
    shared_app.extensions["settings"] = settings


@pytest.fixture
def dump(database_url: str) -> Callable[[], str]:
    """All that a backup of the database would hold, the planner's statistics too."""

    def dump() -> str:
        program = find_bindir() / "pg_dump"
        help_ = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)  # noqa: S603 - PostgreSQL's own program
        with_statistics = ["--statistics"] if " --statistics " in help_.stdout else []
        command = [str(program), *with_statistics, database_url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - PostgreSQL's own program

    return dump


@pytest.fixture(scope="session")
def shared_scene(template_url: str, worker_id: str) -> Iterator[Scene]:
    url = copy_template(template_url, f"scene_{worker_id}")
    with scene_on(url) as scene:
        yield scene
    drop(url)


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    """The same rows, with the same ids, for every test."""
    yield shared_scene
    shared_scene.rows.restore()


@pytest.fixture
def deadlocks() -> Iterator[list[str | None]]:
    """The statements of this process that PostgreSQL ended because of a deadlock."""
    found: list[str | None] = []

    def note(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "pgcode", None) == "40P01":
            found.append(context.statement)

    event.listen(Engine, "handle_error", note)
    yield found
    event.remove(Engine, "handle_error", note)


@pytest.fixture
def customer(staff: Client) -> str:
    """The id of a customer."""
    ann = {"reference": "C-1", "name": "Ann"}
    created: str = staff.create("/v1/customers", ann)["id"]
    return created


@pytest.fixture
def start(staff: Client, customer: str) -> Start:
    """Open a conversation and bring it into a status; answers its path."""

    def start(status: str = "open", **values: Any) -> str:
        body = {"customer_id": customer, "subject": "Help", "channel": "email", **values}
        path = f"{PATH}/{staff.create(PATH, body)['id']}"
        if status == "pending":
            staff.create(f"{path}/messages", {"direction": "outbound", "body": "Yes?"})
        elif status == "snoozed":
            staff.post(f"{path}/snooze", {"until": moment(hours=1)})
        elif status == "resolved":
            staff.post(f"{path}/resolve")
        elif status == "closed":
            staff.post(f"{path}/close")
        assert staff.get(path).json["status"] == status
        return path

    return start


@pytest.fixture
def bot(hire: Callable[..., Client]) -> Client:
    return hire()


@pytest.fixture
def claimed(start: Start, bot: Client) -> tuple[str, dict[str, Any]]:
    """The path of a conversation, and its task as a program runs it."""
    return start(task=TASK), bot.post("/v1/tasks/claim", {}).json["items"][0]


@pytest.fixture
def bob(staff: Client) -> str:
    """The id of another customer."""
    created: str = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    return created


@pytest.fixture
def opening(customer: str) -> dict[str, Any]:
    """What opens a conversation."""
    return {"customer_id": customer, "subject": "Help", "channel": "email"}


@pytest.fixture
def begin(staff: Client, customer: str) -> Start:
    """Open a conversation with these notes in it; answers its id."""

    def begin(*notes: str, **values: Any) -> str:
        body = {"customer_id": customer, "subject": "Help", "channel": "email", **values}
        key: str = staff.create(PATH, body)["id"]
        for text in notes:
            note(staff, key, text)
        return key

    return begin


@pytest.fixture
def conversation(staff: Client, opening: dict[str, Any]) -> dict[str, Any]:
    return staff.create(PATH, opening)


@pytest.fixture
def counts_are_right(staff: Client, sql: Sql) -> Iterator[None]:
    """Whatever was done: the counters are what counting finds, and nothing done is above open."""
    yield
    assert sql(_COUNTED_WRONG) == []
    assert sql("SELECT id FROM tasks WHERE status = 'completed' AND open_subtasks > 0") == []


@pytest.fixture
def bank(admin: Client) -> Bank:
    return Bank(admin)


@pytest.fixture
def ann(staff: Client) -> dict[str, Any]:
    """A customer."""
    return staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})


@pytest.fixture
def bea(staff: Client) -> dict[str, Any]:
    """An agent."""
    return staff.create("/v1/agents", {"name": "Bea", "kind": "human", "queues": ["work"]})


@pytest.fixture
def desk_work(admin: Client) -> DeskWork:
    return DeskWork(admin)


@pytest.fixture
def pat(sign_in: SignIn) -> Client:
    """A member of staff."""
    return sign_in("staff", "pat")


@pytest.fixture
def agent_of_pat(hire: Hire, pat: Client) -> Client:
    """A client with the token of the agent that is linked to Pat."""
    return hire("Pat", kind="human", user_id=pat.user_id)

"""The command line, run as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url

from app.administration import ROLES_SQL

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]


def create_admin(flask: Run) -> None:
    done = flask("users", "create", "ada@desk.example", "--name", "Ada", "--role", "admin")
    assert done.returncode == 0, done.stderr
    assert "ada@desk.example" in done.stdout


def test_a_user_and_a_token_let_a_client_in(flask: Run, app: Flask) -> None:
    """The token stands alone on stdout, so that a script can take it; revoked, it is worthless."""
    create_admin(flask)
    token = flask("tokens", "create", "--user", "ADA@desk.example").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    client = app.test_client()
    assert client.get("/v1/me", headers=headers).json["email"] == "ada@desk.example"  # type: ignore[index]
    [listed] = json.loads(flask("tokens", "list", "--json").stdout)
    assert listed.keys().isdisjoint({"token", "token_hash"})
    assert flask("tokens", "revoke", listed["id"]).returncode == 0
    app.extensions["authenticator"].forget()
    assert client.get("/v1/me", headers=headers).status_code == 401


def test_the_actor_is_the_system_and_names_the_os_user(
    flask: Run, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """The audit trail tells commands from requests."""
    create_admin(flask)
    [(kind, name)] = sql("SELECT actor_kind, actor_name FROM events")
    assert kind == "system"
    assert name.startswith("cli:")
    assert len(name) > len("cli:")


def test_the_roles_are_printed_and_not_made(flask: Run) -> None:
    """For someone to read and run: it takes no database, and tells no password."""
    done = flask("db", "roles", DATABASE_URL="postgresql://nowhere.invalid/x")
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == (ROLES_SQL, "")


def test_the_demo_can_be_loaded_twice(
    flask: Run, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """The second time finds everything there."""
    assert (
        "3 users, 8 customers, 4 accounts, 2 agents, 4 conversations, 1 to-dos, 3 products, 5 FAQs"
        in flask("demo", "--yes").stdout
    )
    assert (
        "0 users, 0 customers, 0 accounts, 0 agents, 0 conversations, 0 to-dos, 0 products, 0 FAQs"
        in flask("demo", "--yes").stdout
    )
    assert sql("SELECT count(*) FROM customers") == [(8,)]


def test_the_demo_is_loaded_where_its_conversations_are_not_as_they_were(
    flask: Run, staff: Client
) -> None:
    """One that was deleted, or given to another customer, is left alone."""
    flask("demo", "--yes")
    one, other, *_ = staff.get("/v1/conversations").json["items"]
    staff.delete(f"/v1/conversations/{one['id']}")
    customers = {item["id"] for item in staff.get("/v1/customers").json["items"]}
    another = (customers - {other["customer_id"]}).pop()
    staff.patch(f"/v1/conversations/{other['id']}", {"customer_id": another})
    again = flask("demo", "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert ", 0 conversations," in again.stdout


def test_the_demo_is_harmless_where_a_question_is_there_twice(
    flask: Run, staff: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Neither questions nor reminders are unique: the demo's own are not loaded again."""
    flask("demo", "--yes")
    [faq] = staff.get("/v1/faqs?limit=1").json["items"]
    staff.create("/v1/faqs", {"question": faq["question"], "answer": "Another one."})
    [todo] = sql("SELECT description, user_id FROM todos")
    staff.create("/v1/todos", {"description": todo[0], "user_id": str(todo[1])})
    again = flask("demo", "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert "0 to-dos, 0 products, 0 FAQs" in again.stdout


def test_the_demo_asks_before_it_goes_into_a_given_database(
    flask: Run, environment: dict[str, str], sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Nobody can answer where stdin is no terminal: nothing is loaded, nor after a no."""
    refused = flask("demo")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--yes" in refused.stderr
    assert f"/{make_url(environment['DATABASE_URL']).database}: " in refused.stderr
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        assert sql("SELECT count(*) FROM users") == [(0,)]
        terminal, other = pty.openpty()
        os.write(terminal, answer)
        command = [sys.executable, "-m", "flask", "demo"]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=other, check=False)  # noqa: S603 - the program under test
        os.close(terminal)
        os.close(other)
        assert done.returncode == code
    assert sql("SELECT count(*) FROM users") == [(3,)]


def test_customers_are_listed_and_shown(flask: Run) -> None:
    """As a table for people and as JSON for machines, by reference or id."""
    flask("demo", "--yes")
    table = flask("customers", "list", "--search", "harbour").stdout.splitlines()
    assert table[0].split() == ["ID", "REFERENCE", "NAME", "EMAIL", "CREATED_AT"]
    assert len(table) == 2
    by_reference = json.loads(flask("customers", "show", "DEMO-001", "--json").stdout)
    by_id = json.loads(flask("customers", "show", by_reference["id"], "--json").stdout)
    assert by_id == by_reference
    assert by_id["reference"] == "DEMO-001"
    assert len(json.loads(flask("customers", "list", "--limit", "3", "--json").stdout)) == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["customers", "show", "nobody"], 3),
        (["customers", "show", "01a1fcbe-dfca-719f-bfae-a835fce21513"], 3),
        (["tokens", "create", "--user", "nobody@desk.example"], 3),
        (["tokens", "revoke", "01a1fcbe-dfca-719f-bfae-a835fce21513"], 3),
        (["tokens", "revoke", "not-an-id"], 2),
        (["tokens", "create", "--user", "ada@desk.example", "--expires-at", "tomorrow"], 2),
        (
            [
                "tokens",
                "create",
                "--user",
                "ada@desk.example",
                "--expires-at",
                "2020-01-01T00:00:00Z",
            ],
            2,
        ),
        (["users", "create", "ada", "--name", "Ada", "--role", "admin"], 2),
        (["users", "create", "b@desk.example", "--name", " ", "--role", "admin"], 2),
        (["users", "create", "b@desk.example", "--name", "Bo", "--role", "king"], 2),
        (["users", "create", "b@desk.example", "--name", "\udcff", "--role", "staff"], 2),
        (["users", "create", "ADA@desk.example", "--name", "Ada", "--role", "admin"], 4),
        (["db", "upgrade", "no-such-revision"], 1),
        (["customers", "list", "--limit", "0"], 2),
        (["nonsense"], 2),
    ],
)
def test_a_refusal_is_one_line_and_the_right_exit_code(
    flask: Run, arguments: list[str], code: int
) -> None:
    """Never a traceback; what click says of a wrong usage stands above the line."""
    create_admin(flask)
    done = flask(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_an_unreachable_database_is_exit_code_5(flask: Run) -> None:
    """Also for the commands that migrate."""
    for arguments in (["users", "list"], ["db", "upgrade"], ["db", "current"]):
        done = flask(*arguments, DATABASE_URL="postgresql://127.0.0.1:1/none")
        assert done.returncode == 5, done.stderr
        assert done.stderr.count("\n") == 1
    done = flask("db", "wait", "--timeout", "0", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert done.returncode == 5


def test_wrong_settings_are_exit_code_2(flask: Run) -> None:
    """All of them in one line."""
    done = flask("users", "list", PORT="x", CASELOAD_POOL_SIZE="x")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "PORT" in done.stderr
    assert "CASELOAD_POOL_SIZE" in done.stderr


def test_the_schema_is_told_and_checked(flask: Run) -> None:
    """`current`, `check` and `wait` say what they found."""
    assert flask("db", "current").stdout.strip().endswith("(head)")
    assert flask("db", "check").returncode == 0
    assert flask("db", "wait").returncode == 0


def test_the_shell_is_psql_on_the_same_database(flask: Run) -> None:
    """With its own exit code."""
    create_admin(flask)
    done = flask("db", "shell", "--", "-Atc", "SELECT count(*) FROM users")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert flask("db", "shell", "--", "-c", "SELECT nonsense").returncode != 0


def test_the_shell_shows_no_password(flask: Run, database_url: str) -> None:
    """Among its arguments, which every user of the machine may list."""
    url = make_url(database_url).set(password="hunter2 %").render_as_string(hide_password=False)
    looks = r"\! cat /proc/$PPID/cmdline; echo; echo $PGPASSWORD"
    shown = flask("db", "shell", "--", "-c", looks, DATABASE_URL=url).stdout
    assert "/psql\0" in shown
    assert looks in shown  # the last of all arguments: nothing is cut off
    assert shown.count("hunter2 %") == 1
    assert "hunter2%20" not in shown


def test_a_closed_pipe_is_no_traceback(app: Flask, database_url: str) -> None:
    """`flask customers list | head` ends quietly."""
    env = {**os.environ, "DATABASE_URL": database_url, "CASELOAD_SECRET_KEY": "k" * 32}
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "customers", "list"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, stderr = process.communicate()
    assert "Traceback" not in stderr

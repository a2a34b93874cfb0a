"""What customers write does not command the terminal of those who read it there."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
HOSTILE = "a\x1b[2J\x9b1m\x7f\u2028\u202eb\u2066\u200f\u061c"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200e\u200f\u061c]")


@pytest.fixture
def hostile(admin: Client) -> dict[str, Any]:
    """Rows that hold such characters wherever they may stand."""
    customer = admin.create(
        "/v1/customers",
        {"reference": "H-1", "name": HOSTILE, "attributes": {HOSTILE: [HOSTILE]}},
    )
    conversation = admin.create(
        "/v1/conversations",
        {
            "customer_id": customer["id"],
            "subject": HOSTILE,
            "channel": "email",
            "tags": [HOSTILE],
            "message": {"body": f"{HOSTILE}\nforged"},
        },
    )
    task = admin.create(
        "/v1/tasks",
        {"kind": f"{HOSTILE}\nforged", "queue": "mail", "input": {HOSTILE: HOSTILE}},
    )
    return {"customer": customer, "conversation": conversation, "task": task}


def test_tables_and_records_are_printable(flask: Run, hostile: dict[str, Any]) -> None:
    """JSON columns and tags as well as text; JSON stays exact."""
    for arguments in (
        ["customers", "list"],
        ["customers", "show", "H-1"],
        ["conversations", "list"],
        ["conversations", "show", hostile["conversation"]["id"]],
        ["tasks", "list"],
        ["tasks", "show", hostile["task"]["id"]],
    ):
        for options in ([], ["--json"]):
            done = flask(*arguments, *options)
            assert done.returncode == 0, done.stderr
            assert not RAW.search(done.stdout), (arguments, options)
            assert "\nforged" not in done.stdout
            assert "\\u001b[2J" in done.stdout
    found = json.loads(flask("customers", "show", "H-1", "--json").stdout)
    assert (found["name"], found["attributes"]) == (HOSTILE, {HOSTILE: [HOSTILE]})


def test_errors_are_one_printable_line(flask: Run) -> None:
    """Of what is not found as of a wrong usage."""
    missing = flask("customers", "show", HOSTILE)
    assert (missing.returncode, missing.stderr.count("\n")) == (3, 1)
    unexpected = flask("customers", "list", HOSTILE)
    assert unexpected.returncode == 2
    for done in (missing, unexpected):
        assert not RAW.search(done.stderr)
        assert "\\u001b[2J" in done.stderr


def test_a_worker_logs_one_line_for_a_task(flask: Run, hostile: dict[str, Any]) -> None:
    """Whatever its kind holds."""
    done = flask("work", "--queue=mail", "--exec=cat", "--drain")
    assert hostile["task"]["id"] in done.stderr
    assert not RAW.search(done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_an_export_is_exact_but_on_a_terminal(
    flask: Run,
    environment: dict[str, str],
    hostile: dict[str, Any],
    tmp_path: Path,
    format_: str,
) -> None:
    """A file and a pipe get the very characters; a terminal shows them escaped."""
    command = ["customers", "export", "--format", format_]
    assert flask(*command, str(tmp_path / "file")).returncode == 0
    piped = flask(*command).stdout
    with (tmp_path / "file").open(newline="") as file:
        written = file.read()
    as_csv = csv.DictReader(io.StringIO(written, newline=""))
    [found] = as_csv if format_ == "csv" else [json.loads(written)]
    assert found["name"] == HOSTILE
    assert piped.splitlines() == written.splitlines()
    terminal, other = pty.openpty()
    subprocess.run(  # noqa: S603 - the program under test
        [sys.executable, "-m", "flask", *command],
        cwd=ROOT,
        env=environment,
        stdout=other,
        check=True,
    )
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    os.close(other)
    assert "H-1" in shown
    assert not RAW.search(shown.replace("\r\n", "\n"))

"""`flask customers export`: a whole file or none, which no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.models import Customer
from app.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]

NAMES = [
    "=1+1", "+44 20 7946 0000", "-1", "@SUM(A1)", " =1", '"=1', "'=1", "x;=1", "x\t=1", 'x";=1',
    "\uff1d1", "Zo\xeb, \"the\" O'Neil", "0042", "12345678901234567", "42", "plain", "a=b",
]  # fmt: skip
MANY = """
INSERT INTO customers (id, reference, name, attributes)
SELECT gen_random_uuid(), 'M-' || n, repeat('x', 100), '{"a": 1}' FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def people(admin: Client) -> list[dict[str, Any]]:
    """With names that want to be formulas, in the order in which they came."""
    made = [
        admin.create(
            "/v1/customers",
            {"reference": f"C-{n}", "name": name, "phone": name[:40], "attributes": {"a": [name]}},
        )
        for n, name in enumerate(NAMES)
    ]
    gone = admin.create("/v1/customers", {"reference": "gone", "name": "Gone"})["id"]
    admin.delete(f"/v1/customers/{gone}")
    return made


def export(flask: Run, *arguments: str) -> str:
    done = flask("customers", "export", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def cells(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_lines_of_json_are_exact(flask: Run, people: list[Any], tmp_path: Path) -> None:
    """The customers of the API, one per line, without those that are deleted."""
    expected = [{k: v for k, v in person.items() if k != "deleted_at"} for person in people]
    lines = export(flask, "--format", "ndjson").splitlines()
    assert [json.loads(line) for line in lines] == expected
    for ending in ("ndjson", "JSONL"):
        file = tmp_path / f"customers.{ending}"
        assert export(flask, str(file)) == ""
        assert file.read_text().splitlines() == lines


def test_every_column_is_exported_but_those_named_here(flask: Run) -> None:
    """All rows of the export are live: none has a time of deletion."""
    (header,) = cells(export(flask))
    assert set(header) == {column.key for column in Customer.__table__.c} - {"deleted_at"}


def test_csv_is_for_spreadsheets(flask: Run, people: list[Any], tmp_path: Path) -> None:
    """In UTF-8; what could be a formula, or a number that loses digits, is text."""
    file = tmp_path / "customers.csv"
    export(flask, str(file))
    text = file.read_bytes().decode()
    header, *found = cells(text)
    assert ",".join(header) == (
        "id,version,reference,name,email,phone,attributes,created_at,updated_at"
    )
    assert [row[0] for row in found] == [person["id"] for person in people]
    assert [json.loads(row[6])["a"][0] for row in found[:3]] == NAMES[:3]
    assert {row[4] for row in found} == {""}
    by_name = dict(zip(NAMES, (row[3] for row in found), strict=True))
    for name in ("42", "plain", "a=b", 'Zo\xeb, "the" O\'Neil'):
        assert by_name[name] == name
    for name in ("=1+1", "+44 20 7946 0000", "0042", "12345678901234567", " =1", "'=1"):
        assert by_name[name] == f"'{name}"
    for delimiter in ",;\t":  # whatever the spreadsheet takes for one
        for row in cells(text, delimiter):
            assert not [cell for cell in row if re.match(r"[\s\"]*[=+\-@\uff1d]", cell)]


def test_the_file_is_replaced_as_a_whole(flask: Run, people: list[Any], tmp_path: Path) -> None:
    """And is its owner's alone, whatever was there before; a link still leads to it."""
    file, link = tmp_path / "customers.csv", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o644)
    link.symlink_to(file)
    export(flask, str(link))
    assert link.is_symlink()
    assert file.read_bytes().count(b"\r\n") == len(people) + 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["customers.csv", "link"]
    export(flask, "/dev/null")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    ("name", "code"), [("missing/customers.csv", 2), (".", 2), ("/dev/full", 1), ("x" * 300, 2)]
)
def test_a_file_that_can_not_be_written(
    flask: Run, people: list[Any], tmp_path: Path, name: str, code: int
) -> None:
    """One line and the right exit code; nothing is left beside it."""
    done = flask("customers", "export", str(tmp_path / name))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert done.stderr.startswith("Error: ")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
def test_a_pipe_by_name_is_written_to(flask: Run, people: list[Any], name: str) -> None:
    """As a shell passes one in `flask customers export >(gzip > customers.csv.gz)`."""
    assert cells(export(flask, name))[1:] == cells(export(flask))[1:]


def test_without_stdout_it_says_so(environment: dict[str, str], people: list[Any]) -> None:
    """`flask customers export >&-`: in one line."""
    command = f"exec {sys.executable} -m flask customers export >&-"
    done = subprocess.run(  # noqa: S602 - a shell closes it
        command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    reported = "Error: - cannot be written: Bad file descriptor\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", reported)


def test_without_a_database_the_old_file_stays(flask: Run, app: Any, tmp_path: Path) -> None:
    """Not half a file, nor an empty one."""
    file = tmp_path / "customers.csv"
    file.write_text("old")
    wrong = {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    done = flask("customers", "export", str(file), **wrong)
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert file.read_text() == "old"
    assert names_in(tmp_path) == ["customers.csv"]


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the program under test
        (sys.executable, "-m", "flask", "customers", "export", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_pipe_that_is_closed_ends_it_quietly(
    environment: dict[str, str], app: Any, sql: Sql
) -> None:
    """`flask customers export | head -1`."""
    sql(MANY, 3000)
    with start(environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'"id",')
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_ctrl_c_leaves_nothing_behind(
    environment: dict[str, str], app: Any, sql: Sql, tmp_path: Path
) -> None:
    """Neither a part of the file nor a traceback."""
    sql(MANY, 250_000)  # so many that it is not done before the signal comes
    process = start(environment, str(tmp_path / "customers.csv"))
    while not names_in(tmp_path):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert (process.returncode, stderr.split()) == (1, [b"Aborted!"])
    assert names_in(tmp_path) == []


def test_a_link_that_leads_to_itself(flask: Run, tmp_path: Path) -> None:
    """It leads to no file, and is one afterwards."""
    link = tmp_path / "loop"
    link.symlink_to(link)
    done = flask("customers", "export", str(link))
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert link.is_file()

"""`flask work`: a program of one line is an agent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., Running]

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable


def program(code: str) -> str:
    return f"{PYTHON} -c '{code}'"


@pytest.fixture
def start(environment: dict[str, str], admin: Client) -> Iterator[Start]:
    """Start `flask work` in the background; what is still running at the end is killed."""
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        queue = ("work", "--queue", "mail", "--poll", "0.1")
        started.append(Running((*queue, *arguments), environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def new_task(admin: Client, **values: Any) -> dict[str, Any]:
    return admin.create("/v1/tasks", {"kind": "reply", "queue": "mail", **values})


def until_allowed(folder: Path) -> str:
    """A program that ends once `folder` has the file `go`."""
    return f"sh -c 'while [ ! -e {folder}/go ]; do sleep 0.05; done; echo 7'"


def wait_for(admin: Client, task: dict[str, Any], status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        found: dict[str, Any] = admin.get(f"/v1/tasks/{task['id']}").json
        if found["status"] == status:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_the_program_reads_a_task_and_writes_its_output(flask: Run, admin: Client) -> None:
    """JSON in, JSON out, in one line and without any set-up."""
    tasks = [new_task(admin, input={"n": n}) for n in range(4)]
    code = 'import json, sys; t = json.load(sys.stdin); print(json.dumps(t["input"]["n"] * 2))'
    done = flask("work", "--queue", "mail", "--exec", program(code), "--concurrency=2", "--drain")
    assert done.returncode == 0, done.stderr
    found = [admin.get(f"/v1/tasks/{task['id']}").json for task in tasks]
    assert [task["status"] for task in found] == ["completed"] * 4
    assert [task["output"] for task in found] == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("written", "output"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("plain words", "plain words"),
        ("", None),
        ("{'a': 1}", "{'a': 1}"),
        ("[1, 2", "[1, 2"),
    ],
)
def test_what_is_not_json_is_kept_as_text(
    flask: Run, admin: Client, tmp_path: Path, written: str, output: Any
) -> None:
    """Nothing that a program writes is bent, and nothing breaks the worker."""
    task = new_task(admin)
    (tmp_path / "written").write_text(written)
    done = flask("work", "--queue=mail", f"--exec=cat {tmp_path}/written", "--drain")
    assert done.returncode == 0, done.stderr
    assert admin.get(f"/v1/tasks/{task['id']}").json["output"] == output


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"1e999", "cannot be stored: output: The number"),
        (b"[0.1234567890123456789]", "cannot be stored: output.0: The number"),
        (b"123456789012345678901234567890", "cannot be stored: output: The number"),
        (b'{"a": 1, "a": 2}', "cannot be stored: output: An object has a key twice."),
        (b"[NaN]", "cannot be stored: output: NaN is not JSON."),
        (b"[" * 40 + b"]" * 40, "cannot be stored: output: It is nested deeper"),
        (b'"\\u0000"', "cannot be stored: output: NUL"),
        (b"a\0b", "cannot be stored: output: NUL"),
        (b"\xff", "cannot be stored: output: It is not UTF-8."),
    ],
)
def test_output_that_cannot_be_stored_exactly_fails_the_task(
    flask: Run, admin: Client, tmp_path: Path, written: bytes, reason: str
) -> None:
    """By the rules of the API's own bodies: nothing is rounded, lost or replaced."""
    task = new_task(admin, max_attempts=1)
    (tmp_path / "written").write_bytes(written)
    done = flask("work", "--queue=mail", f"--exec=cat {tmp_path}/written", "--drain")
    assert done.returncode == 0, done.stderr
    found = admin.get(f"/v1/tasks/{task['id']}").json
    assert (found["status"], found["output"]) == ("failed", None)
    assert reason in found["error"]


def is_running(pid: int) -> bool:
    """A zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_ended(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline, pid
        time.sleep(0.05)


def most_memory(pid: int) -> int:
    """The most that the process has had in memory, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_endless_output_is_ended_while_it_is_read(
    start: Start, admin: Client, tmp_path: Path
) -> None:
    """The program is killed, the task fails for good, and the worker's memory stays flat."""
    script = tmp_path / "script"
    script.write_text(f"echo $$ > {tmp_path}/pid; if grep -q endless; then exec yes; fi; echo 1")
    worker = start("--exec", f"sh {script}")
    wait_for(admin, new_task(admin), "completed")
    before = most_memory(worker.pid)
    found = wait_for(admin, new_task(admin, input={"how": "endless"}), "failed")
    assert found["error"] == "The program wrote more than 1048576 bytes to stdout."
    assert most_memory(worker.pid) < before + 32 * 1024
    wait_until_ended(int((tmp_path / "pid").read_text()))


def test_output_up_to_the_limit_is_kept_and_endless_errors_are_not(
    flask: Run, admin: Client, tmp_path: Path
) -> None:
    """Of stderr the end is kept, however much there is."""
    task = new_task(admin)
    (tmp_path / "written").write_text("x" * 1_000_000)
    script = tmp_path / "script"
    script.write_text(f"head -c 20000000 /dev/zero >&2; cat {tmp_path}/written")
    flask("work", "--queue=mail", f"--exec=sh {script}", "--drain")
    found = admin.get(f"/v1/tasks/{task['id']}").json
    assert (found["status"], found["output"]) == ("completed", "x" * 1_000_000)


@pytest.mark.parametrize("session", ["", "setsid "])
def test_a_task_ends_with_its_program(
    start: Start, admin: Client, tmp_path: Path, session: str
) -> None:
    """Nobody waits for what it leaves running, which is killed where it is in the same session."""
    task = new_task(admin)
    script = tmp_path / "script"
    left = f"sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600'"
    waits = f"while [ ! -s {tmp_path}/pid ]; do sleep 0.05; done"
    script.write_text(f"{session}{left} & {waits}; echo 7")
    start("--exec", f"sh {script}")
    assert wait_for(admin, task, "completed")["output"] == 7
    pid = int((tmp_path / "pid").read_text())
    if session:
        os.kill(pid, signal.SIGKILL)
    wait_until_ended(pid)


def test_an_exit_code_fails_the_task(flask: Run, admin: Client) -> None:
    """With the end of what the program said; it is tried again, up to its attempts."""
    once, again = new_task(admin, max_attempts=1), new_task(admin)
    code = 'import sys; sys.exit("no such customer")'
    flask("work", "--queue", "mail", "--exec", program(code), "--drain")
    failed = admin.get(f"/v1/tasks/{once['id']}").json
    assert (failed["status"], failed["error"]) == ("failed", "Exit code 1. no such customer")
    assert admin.get(f"/v1/tasks/{again['id']}").json["status"] == "pending"


def test_a_program_that_is_not_there_costs_no_task(
    flask: Run, admin: Client, tmp_path: Path
) -> None:
    """A slip in the command is told at once; where it can't be started, the task is given back."""
    task = new_task(admin, max_attempts=1)
    assert flask("work", "--queue=mail", "--exec=/nowhere/at/all", "--drain").returncode == 2
    broken = tmp_path / "broken"
    broken.write_text("#!/nowhere/at/all")
    broken.chmod(0o755)
    done = flask("work", "--queue=mail", f"--exec={broken}", "--drain")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    found = admin.get(f"/v1/tasks/{task['id']}").json
    assert (found["status"], found["error"]) == ("pending", None)


def test_an_agent_that_is_deactivated_stops_its_worker(start: Start, admin: Client) -> None:
    """Exit code 1: whoever watches over it learns of it."""
    worker = start("--exec", "cat")
    deadline = time.monotonic() + 60
    while not (found := admin.get("/v1/agents?name=worker").json["items"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    admin.post(f"/v1/agents/{found[0]['id']}/deactivate")
    assert worker.wait(90) == 1


def test_people_and_foreign_queues_are_not_worked_by_a_program(flask: Run, admin: Client) -> None:
    """A person's tasks have no expiry; an agent's queues are its own."""
    flask("agents", "create", "ann", "--kind=human", "--queue=mail")
    flask("agents", "create", "bot", "--queue=calls")
    for agent in ("ann", "bot"):
        done = flask("work", "--queue=mail", "--exec=cat", f"--agent={agent}", "--drain")
        assert done.returncode == 1


def test_a_stop_lets_the_task_be_finished(start: Start, admin: Client, tmp_path: Path) -> None:
    """SIGTERM: no further task is claimed, and what is held is completed, not given back."""
    task, other = new_task(admin), new_task(admin)
    worker = start("--exec", until_allowed(tmp_path))
    wait_for(admin, task, "running")
    worker.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert worker.wait(90) == 0
    found = admin.get(f"/v1/tasks/{task['id']}").json
    assert (found["status"], found["output"]) == ("completed", 7)
    assert admin.get(f"/v1/tasks/{other['id']}").json["status"] == "pending"


def test_a_stop_reaches_the_worker_by_whichever_thread(
    start: Start, admin: Client, tmp_path: Path
) -> None:
    """The kernel gives a signal to any of them, and only the first one runs Python's handlers."""
    task = new_task(admin)
    worker = start("--exec", until_allowed(tmp_path))
    wait_for(admin, task, "running")
    threads = {int(path.name) for path in Path(f"/proc/{worker.pid}/task").iterdir()}
    (other,) = threads - {worker.pid}
    assert ctypes.CDLL(None).tgkill(worker.pid, other, signal.SIGTERM) == 0
    (tmp_path / "go").touch()
    assert worker.wait(90) == 0
    assert admin.get(f"/v1/tasks/{task['id']}").json["output"] == 7


def test_a_second_stop_gives_the_task_back(start: Start, admin: Client) -> None:
    """At once, without its attempt counting; the program is ended."""
    task = new_task(admin, max_attempts=1)
    worker = start("--exec", "sh -c 'sleep 60; true'")
    wait_for(admin, task, "running")
    worker.send_signal(signal.SIGTERM)
    while worker.poll() is None:  # two that are sent at once may arrive as one
        worker.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            worker.wait(5)
    assert worker.returncode == 0
    assert admin.get(f"/v1/tasks/{task['id']}").json["status"] == "pending"
    attempts = admin.get(f"/v1/tasks/{task['id']}/attempts").json["items"]
    assert [attempt["outcome"] for attempt in attempts] == ["released"]


def test_the_lease_is_renewed_while_the_program_runs(start: Start, admin: Client) -> None:
    """A program may take longer than the lease."""
    task = new_task(admin, max_attempts=1)
    start("--exec", "sh -c 'sleep 3; echo 1'", "--lease=1", "--concurrency=2")
    found = wait_for(admin, task, "completed")
    assert (found["attempt"], found["output"]) == (1, 1)


def test_a_cancelled_task_ends_its_program(start: Start, admin: Client) -> None:
    """The worker learns it from a heartbeat, and the task is cancelled."""
    task = new_task(admin)
    start("--exec", "sleep 60", "--lease=1")
    wait_for(admin, task, "running")
    assert admin.post(f"/v1/tasks/{task['id']}/cancel").json["cancel_requested"] is True
    wait_for(admin, task, "cancelled")


def test_a_killed_worker_is_taken_over_from(start: Start, admin: Client) -> None:
    """SIGKILL: the lease runs out, and another worker finishes the task."""
    task = new_task(admin)
    worker = start("--exec", "sleep 60", "--lease=1")
    wait_for(admin, task, "running")
    worker.kill()
    start("--exec", "echo 5", "--lease=1")
    found = wait_for(admin, task, "completed")
    assert (found["attempt"], found["output"]) == (2, 5)
    attempts = admin.get(f"/v1/tasks/{task['id']}/attempts").json["items"]
    assert [attempt["outcome"] for attempt in attempts] == ["lost", "completed"]


def test_bad_arguments_are_refused(flask: Run) -> None:
    """One line and exit code 2."""
    for arguments in (
        ["--queue=Not A Queue", "--exec=cat"],
        ["--queue=mail", "--exec="],
        ["--queue=mail", '--exec="'],
        ["--queue=mail", "--exec=cat", "--concurrency=0"],
    ):
        done = flask("work", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_an_inactive_agent_does_not_work(flask: Run, admin: Client) -> None:
    """Exit code 1."""
    flask("agents", "create", "bot", "--queue", "mail")
    flask("agents", "deactivate", "bot")
    done = flask("work", "--queue=mail", "--exec=cat", "--agent=bot")
    assert done.returncode == 1
    assert "not active" in done.stderr


def test_a_token_of_an_agent_lets_it_in(flask: Run, admin: Client) -> None:
    """`flask tokens create --agent NAME` prints it alone."""
    flask("agents", "create", "bot", "--queue", "mail")
    task = new_task(admin)
    admin.token = flask("tokens", "create", "--agent", "bot").stdout.strip()
    assert admin.get("/v1/me").json["name"] == "bot"
    claimed = admin.post("/v1/tasks/claim").json["items"]
    assert [item["id"] for item in claimed] == [task["id"]]
    neither = flask("tokens", "create")
    assert neither.returncode == 2

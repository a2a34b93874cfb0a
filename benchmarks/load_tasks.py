"""Tasks under load: each is completed, and by one attempt only, whoever dies meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

from app.repositories import TaskRepository
from benchmarks.load_crew import Crew, Stress
from benchmarks.load_report import Report
from tests.served import Desk, Member

_MANY_ATTEMPTS = 100
_FOR_ONE_ALONE = 20  # every so many tasks is for one agent alone

# What the database knows of each task, beside its attempts and events.
_TASKS = """
SELECT id::text, queue, agent_id, status, attempt, (output->>'attempt')::int,
    (SELECT count(*) FROM events WHERE object_id = tasks.id AND action = 'completed')
FROM tasks WHERE kind = %s
"""
_ATTEMPTS = """
SELECT task_id::text, number, task_attempts.agent_id::text, outcome
FROM task_attempts JOIN tasks ON tasks.id = task_id WHERE kind = %s ORDER BY task_id, number
"""
_SECONDS = """
SELECT extract(epoch FROM max(completed_at)
    - (SELECT min(task_attempts.started_at) FROM task_attempts JOIN tasks ON tasks.id = task_id
       WHERE kind = %s))::float
FROM tasks WHERE kind = %s
"""
_LEFT = "SELECT count(*) FROM tasks WHERE kind = %s AND status IN ('pending', 'running')"


def run(desk: Desk, name: str, count: int, stress: Stress, *, workers: int = 8) -> Report:
    report = Report(name)
    agents = _hire(desk, name, workers)
    _fill(desk, name, count, agents)
    crew = Crew(desk, agents, stress, name)
    crew.work_until(lambda: desk.sql(_LEFT, name) == [(0,)])
    check(report, desk, count, agents, crew.told())
    seconds = desk.sql(_SECONDS, name, name)[0][0] or 0.0
    report.note(seconds=f"{seconds:.1f}", tasks_per_second=f"{count / max(seconds, 0.001):,.0f}")
    report.note(workers_killed=crew.killed, servers_killed=crew.servers_killed)
    report.expect("workers that failed", crew.failures, 0)
    report.expect("tracebacks in the server's log", desk.log.count("Traceback"), 0)
    return report


def check(
    report: Report, desk: Desk, count: int, agents: list[Member], told: list[dict[str, Any]]
) -> None:
    queues_of = {str(agent.id): agent.queues for agent in agents}
    tasks = {row[0]: row for row in desk.sql(_TASKS, report.name)}
    attempts: dict[str, list[tuple[Any, ...]]] = {key: [] for key in tasks}
    for row in desk.sql(_ATTEMPTS, report.name):
        attempts[row[0]].append(row)
    outcomes = Counter(row[3] for rows in attempts.values() for row in rows)
    report.note(tasks=count, lost_attempts=outcomes["lost"])

    statuses = Counter(task[3] for task in tasks.values())
    report.expect("tasks by status", dict(statuses), {"completed": count})
    report.expect("outcomes of attempts", outcomes.keys() - {"completed", "lost"}, set())
    ends = Counter(tuple(row[3] for row in rows).count("completed") for rows in attempts.values())
    report.expect("tasks by completed attempts", dict(ends), {1: count})
    events = Counter(task[6] for task in tasks.values())
    report.expect("tasks by completed events", dict(events), {1: count})
    misnumbered = foreign = overwritten = 0
    completed: dict[str, int] = {}
    for key, (_, queue, alone, _, last, by, _) in tasks.items():
        numbers = [number for _, number, _, _ in attempts[key]]
        misnumbered += numbers != list(range(1, last + 1))
        foreign += any(
            queue not in queues_of[agent] or (alone is not None and str(alone) != agent)
            for _, _, agent, _ in attempts[key]
        )
        completed[key] = next((n for _, n, _, end in attempts[key] if end == "completed"), 0)
        overwritten += by != completed[key]
    report.expect("tasks whose attempts have gaps", misnumbered, 0)
    report.expect("tasks that another's agent got", foreign, 0)
    report.expect("outputs of another attempt", overwritten, 0)
    _check_told(report, told, attempts, completed)


def _check_told(
    report: Report,
    told: list[dict[str, Any]],
    attempts: dict[str, list[tuple[Any, ...]]],
    completed: dict[str, int],
) -> None:
    """What the workers were told agrees with what the database says."""
    misled = Counter(f"{line['status']} {line['problem']}" for line in told if _did(line, "misled"))
    report.expect("other answers to a claim", dict(misled), {})
    handed = Counter((line["task"], line["attempt"]) for line in told if _did(line, "claimed"))
    report.expect("attempts handed out twice", sum(n > 1 for n in handed.values()), 0)
    by = {(row[0], row[1]): row[2] for rows in attempts.values() for row in rows}
    strangers = sum(
        by.get((line["task"], line["attempt"])) != line["agent"] for line in told if "task" in line
    )
    report.expect("attempts that are another agent's", strangers, 0)
    answers: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for line in told:
        if not _did(line, "completed"):
            continue
        current = completed[line["task"]] == line["attempt"]
        answer = f"{line['status']} {line['problem']}".strip()
        right = {"200"} if current else {"409 lease-lost"}
        if current and line["tries"] > 1:
            right.add("409 lease-lost")  # it was completed, and the answer was lost
            answers["completed, and the answer was lost"] += answer != "200"
        answers[f"answered {answer}"] += 1
        answers["sent more than once"] += line["tries"] > 1
        wrong[f"{answer} for {'the completed' if current else 'a lost'} attempt"] += (
            answer not in right
        )
    report.note(**{f"completions {what}": n for what, n in sorted(answers.items())})
    report.expect("wrong answers to a completion", dict(+wrong), {})


def _did(line: dict[str, Any], what: str) -> bool:
    return bool(line["did"] == what)


def _hire(desk: Desk, name: str, workers: int) -> list[Member]:
    """Each has two queues, and shares them with its neighbours."""
    return [
        desk.hire(f"{name}-{n}", (f"{name}-{n}", f"{name}-{(n + 1) % workers}"))
        for n in range(workers)
    ]


def _fill(desk: Desk, name: str, count: int, agents: list[Member]) -> None:
    rows = [
        {
            "kind": name,
            "queue": agents[number % len(agents)].queues[0],
            "agent_id": agents[number % len(agents)].id if number % _FOR_ONE_ALONE == 0 else None,
            "priority": number % 10,
            "max_attempts": _MANY_ATTEMPTS,
        }
        for number in range(count)
    ]
    with desk.database.connect() as connection:
        TaskRepository().insert_many(connection, rows)

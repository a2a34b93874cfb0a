"""`flask jobs`: runs the regular jobs."""

from __future__ import annotations

from app.cli.kit.commands import Group, Refused, exit_code_of, service
from app.cli.kit.output import as_json, print_json, print_line
from app.db.errors import ApplicationError
from app.services.jobs import JobService

jobs = Group("jobs", help="Regular jobs, which the service runs by itself.")


@jobs.command("run")
@as_json
def run(*, as_json: bool) -> None:
    """Run every regular job once, as the service does by itself.

    A job that fails does not stop the others. The command then ends with its error.
    """
    report = service(JobService).run_due()
    if as_json:
        print_json(report.done)
    else:
        print_line(", ".join(f"{count} {what}" for what, count in report.done.items()))
    if report.failed:
        first = next(iter(report.failed.values()))
        code = exit_code_of(type(first)) if isinstance(first, ApplicationError) else 1
        raise Refused("; ".join(f"{job}: {error}" for job, error in report.failed.items()), code)

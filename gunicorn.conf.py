"""The configuration of gunicorn. GUNICORN_CMD_ARGS and the command line override this file."""

import signal
import sys
from pathlib import Path
from typing import Any

from app.allocator import return_freed_memory
from app.application import add_routes, create_database
from app.cli import listener
from app.db.errors import ApplicationError
from app.environment import exit_on_mistake
from app.logs import log_to_stderr
from app.printable import make_logs_printable
from app.scheduler import run_regularly
from app.services.jobs import JobService
from app.settings import Settings

make_logs_printable()
with exit_on_mistake():
    settings = Settings.from_environment()

return_freed_memory()  # the workers inherit it
settings.check_targets()  # it loads the public holidays, which the workers inherit too

# Loopback only: a proxy with TLS stands in front.
bind = listener.address(settings.port)
workers = settings.workers
# Threads: a worker waits for the database most of the time.
worker_class = "gthread"
threads = settings.threads
# Two instances of one user would use the same control socket.
control_socket_disable = True
# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes a private file in it
# Longer than the longest statement, so that every request can end.
graceful_timeout = int(settings.statement_timeout) + 5
# The application trusts proxies as CASELOAD_TRUSTED_PROXIES says; gunicorn would trust loopback.
forwarded_allow_ips = ""
# Cursors make long lines.
limit_request_line = 8190


def on_starting(server: Any) -> None:
    """Start the embedded server in the master, which holds it while workers start and end."""
    if (wsgi := sys.modules.get("wsgi")) is not None:  # of `flask serve`: it has no routes yet
        add_routes(wsgi.app)
    if settings.database_url is None:
        try:
            create_database(settings).url  # noqa: B018 - reading the URL starts it
        except ApplicationError as error:
            server.log.error("%s", error)  # noqa: TRY400 - the message says it all
            raise SystemExit(1) from None


def post_worker_init(worker: Any) -> None:
    """Set the signals of a worker, and start the jobs in a thread of it.

    A terminal sends Ctrl-C to the whole process group; only the master handles it, and the workers
    end gracefully. The handler of gunicorn for SIGQUIT would wait for ever where a second signal
    interrupts it.
    """
    log_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, worker.handle_exit)
    database = worker.wsgi.extensions["database"]
    jobs = JobService.as_system(database, rules=settings.rules)
    run_regularly(jobs.run_due, every=settings.job_interval)

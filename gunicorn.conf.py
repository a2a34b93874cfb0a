"""How Caseload is served. GUNICORN_CMD_ARGS and the command line win over this file."""

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

# Loopback only: what faces the world is a proxy that speaks TLS.
bind = listener.address(settings.port)
workers = settings.workers
# Threads: a worker waits for the database most of the time.
worker_class = "gthread"
threads = settings.threads
# Instances of one user collide on the control socket.
control_socket_disable = True
# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder for it, made private by gunicorn
# Longer than the longest statement, so that a stop lets every request end.
graceful_timeout = int(settings.statement_timeout) + 5
# Who believes proxies is the application, and by setting alone; gunicorn would believe loopback.
forwarded_allow_ips = ""
# Cursors make long lines.
limit_request_line = 8190


def on_starting(server: Any) -> None:
    """Start the embedded server before the workers race for it; hold it while they come and go."""
    if (wsgi := sys.modules.get("wsgi")) is not None:  # of `flask serve`: it has no routes yet
        add_routes(wsgi.app)
    if settings.database_url is None:
        try:
            create_database(settings).url  # noqa: B018 - asking starts it
        except ApplicationError as error:
            server.log.error("%s", error)  # noqa: TRY400 - the message says it all
            raise SystemExit(1) from None


def post_worker_init(worker: Any) -> None:
    """Let only the master hear Ctrl-C, which goes to all of the process group, and end gracefully.

    The worker's own way to end at once waits for ever where a second signal interrupts it.
    The jobs run beside the requests.
    """
    log_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, worker.handle_exit)
    database = worker.wsgi.extensions["database"]
    jobs = JobService.as_system(database, rules=settings.rules)
    run_regularly(jobs.run_due, every=settings.job_interval)

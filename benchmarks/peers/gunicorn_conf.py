"""gunicorn for all contenders but Caseload, with the values that Caseload has by default."""

import os

bind = f"127.0.0.1:{os.environ['PORT']}"
workers = 2
worker_class = "gthread"
threads = 4
control_socket_disable = True
worker_tmp_dir = "/dev/shm"  # noqa: S108 - gunicorn makes a private file in it

"""The application that gunicorn serves and that `flask` finds."""

import sys
from pathlib import Path

from app import create_app, create_command_app
from app.printable import make_logs_printable

_NEED_ROUTES = {"run", "routes", "shell"}  # commands of Flask itself

make_logs_printable()
is_command = "flask" in Path(sys.argv[0]).parts[-2:]  # .venv/bin/flask, flask/__main__.py
if is_command and _NEED_ROUTES.isdisjoint(sys.argv):
    app = create_command_app()
else:
    from app.environment import exit_on_mistake

    with exit_on_mistake():
        app = create_app()

"""What gunicorn serves and `flask` finds."""

import sys
from pathlib import Path

from app import create_app, create_command_app
from app.cli import COMMANDS
from app.printable import make_logs_printable

_NEED_ROUTES = ("run", "routes", "shell")  # commands of Flask itself


def _is_own_command() -> bool:
    """Whether `flask` runs a command of Caseload, or shows its help: these need no routes."""
    program = Path(sys.argv[0])
    is_flask = program.name == "flask" or program.parts[-2:] == ("flask", "__main__.py")
    words = (word for word in sys.argv[1:] if word in COMMANDS or word in _NEED_ROUTES)
    return is_flask and next(words, None) not in _NEED_ROUTES


make_logs_printable()
if _is_own_command():
    app = create_command_app()
else:
    from app.environment import exit_on_mistake

    with exit_on_mistake():
        app = create_app()

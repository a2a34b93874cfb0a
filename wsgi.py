"""What gunicorn serves and `flask` finds."""

import sys

from app import create_app
from app.environment import SettingsError
from app.printable import make_logs_printable, printable

make_logs_printable()

try:
    app = create_app()
except SettingsError as error:
    print(f"Error: {printable(str(error))}", file=sys.stderr)  # noqa: T201 - nobody is there yet to log it
    raise SystemExit(2) from None

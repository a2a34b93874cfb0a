"""What gunicorn serves and `flask` finds."""

import sys

from app import create_app
from app.environment import SettingsError

try:
    app = create_app()
except SettingsError as error:
    print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - nobody is there yet to log it
    raise SystemExit(2) from None

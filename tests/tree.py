"""A copy of the application's code, on a database of its own, for tests that edit it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.settings import ROOT
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Sends the requests of standard input, one after the other, as a new administrator. A path may hold
# the id and the version of an earlier response: {0[id]}. Prints the status and body of each.
CLIENT = """\
import json, sys
from app import create_app
from app.domain.tokens import NewToken
from app.services import TokenService, UserService

app = create_app()
database = app.extensions["database"]
user = UserService.as_system(database).create(
    {"email": "ada@desk.example", "name": "Ada", "role": "admin"}
)
token = TokenService.as_system(database).issue(NewToken(user_id=user.id, name="test"))[1]
client, found = app.test_client(), []
for method, path, body in json.load(sys.stdin):
    body = json.loads(json.dumps(body).replace("$customer", found[0]["id"] if found else ""))
    response = client.open(
        path.format(*found),
        method=method,
        json=body,
        headers={"Authorization": f"Bearer {token}"},
    )
    found.append({"status": response.status_code, **(response.get_json(silent=True) or {})})
json.dump(found, sys.stdout)
"""


@contextmanager
def copied(folder: Path, template_url: str, name: str) -> Iterator[Copy]:
    """The code in the folder; the database is migrated as far as the code is."""
    for part in ("app", "alembic"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("alembic.ini", "wsgi.py"):
        shutil.copy(ROOT / part, folder / part)
    url = copy_template(template_url, f"{name}_{os.getpid()}")
    yield Copy(folder, url)
    drop(url)


class Copy:
    def __init__(self, path: Path, database_url: str) -> None:
        self.path = path
        versions = path / "alembic/versions"
        self.head = max(each.name for each in versions.glob("*.py")).partition("_")[0]
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "CASELOAD_SECRET_KEY": "k" * 32,
            "PYTHONPATH": str(path),
        }

    def run(self, *command: str, given: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, *command],
            cwd=self.path,
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, *requests: tuple[str, str, object]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("-c", CLIENT, given=json.dumps(requests)))
        return found

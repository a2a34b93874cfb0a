"""How a message names the database that a command used."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.kit.place import place
from app.settings import Settings


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://desk:hunter2@db.example:5433/caseload", "db.example:5433/caseload"),
        ("postgresql://desk:hunter2@db.example/caseload", "db.example/caseload"),
        ("postgresql://desk:hunter2@/caseload?host=/run/postgresql", "/run/postgresql/caseload"),
        ("postgres:///caseload", "caseload"),
    ],
)
def test_a_given_database_is_its_host_port_and_name(url: str, name: str) -> None:
    """Without the user and the password."""
    assert place(Settings(database_url=url)) == name


def test_the_embedded_server_is_its_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the working directory on where it is below that, and else in full."""
    monkeypatch.chdir(tmp_path)
    assert place(Settings(data_dir=tmp_path / "instance")) == "instance/"
    assert place(Settings(data_dir=tmp_path)) == "./"
    assert place(Settings(data_dir=Path("/var/lib/caseload"))) == "/var/lib/caseload/"

from __future__ import annotations

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from app.environment import SettingsError, variables
from app.settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

KEY = "0123456789abcdef"
URL = "postgresql://user:hunter2@db.example/caseload"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("CASELOAD_", "DATABASE_")) or name == "PORT":
            monkeypatch.delenv(name)


def test_without_any_setting_the_embedded_server_is_meant() -> None:
    """A fresh clone needs no configuration."""
    settings = Settings.from_environment()
    assert settings.database_url is None
    assert settings.port == 8000


def test_all_mistakes_are_reported_at_once_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start the program once per mistake."""
    wrong = {
        "PORT": "abc",
        "DATABASE_URL": "mysql://db.example/x",
        "CASELOAD_POOL_SIZE": "0",
        "CASELOAD_STATEMENT_TIMEOUT": "nan",
        "CASELOAD_TOKEN_CACHE": "-1",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    for name in (*wrong, "CASELOAD_SECRET_KEY"):
        assert name in str(caught.value)


def test_a_misspelt_setting_is_reported_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, with the nearest setting where one is near."""
    for name in ("CASELOAD_WORKER", "CASELOAD_COLOUR", "CASELOAD_", "PORT"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    message = str(caught.value)
    assert "CASELOAD_WORKER: Unknown setting; did you mean CASELOAD_WORKERS?" in message
    assert "CASELOAD_COLOUR: Unknown setting." in message
    assert "CASELOAD_: Unknown setting." in message
    assert "PORT: " in message


def test_every_setting_is_known_whether_it_is_set_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names outside the prefix are not Caseload's business."""
    monkeypatch.setenv("TEST_DATABASE_URL", "x")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "x")
    monkeypatch.setenv("CASELOAD_SECRET_KEY", KEY)
    monkeypatch.setenv("CASELOAD_WORKERS", "3")
    assert Settings.from_environment().workers == 3


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_both_spellings_of_a_postgresql_url_are_accepted(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """As libpq has it; a SQLAlchemy driver is no part of it."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://db.example/caseload")
    monkeypatch.setenv("CASELOAD_SECRET_KEY", KEY)
    assert Settings.from_environment().database_url == f"{scheme}://db.example/caseload"


@pytest.mark.parametrize(
    "rest", ["db.example:port/x", "[::1/x", "db.example:1,other.example:2/x", "%00@db.example/x"]
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_REPLICA_URL"])
def test_what_is_no_url_is_a_mistake_like_any_other(
    monkeypatch: pytest.MonkeyPatch, name: str, rest: str
) -> None:
    """It is told by name, and without the password."""
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CASELOAD_SECRET_KEY", KEY)
    monkeypatch.setenv(name, f"postgresql://user:hunter2{rest if '@' in rest else '@' + rest}")
    with pytest.raises(SettingsError, match=f"^{name}: ") as caught:
        Settings.from_environment()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", [None, "short"])
def test_an_explicit_database_needs_a_real_secret_key(
    monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """There is no default secret that anybody could know."""
    monkeypatch.setenv("DATABASE_URL", URL)
    if key is not None:
        monkeypatch.setenv("CASELOAD_SECRET_KEY", key)
    with pytest.raises(SettingsError, match="CASELOAD_SECRET_KEY"):
        Settings.from_environment()


def test_secrets_are_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logged Settings gives away neither the key nor the password."""
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CASELOAD_SECRET_KEY", KEY)
    shown = repr(Settings.from_environment())
    assert KEY not in shown
    assert "hunter2" not in shown


def test_a_mistake_does_not_show_the_secret_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting, not its value."""
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@db.example/x")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert "hunter2" not in str(caught.value)


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """Cursors stay good across restarts, and nobody else can read the key."""
    first = Settings(data_dir=tmp_path).secret_key
    assert Settings(data_dir=tmp_path).secret_key == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    """Whoever comes first makes it; the others take that one."""
    with ThreadPoolExecutor(8) as pool:
        keys: list[Future[str]] = [
            pool.submit(lambda: Settings(data_dir=tmp_path).secret_key) for _ in range(32)
        ]
    assert len({key.result() for key in keys}) == 1


def test_the_pool_follows_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool smaller than a worker's threads would make them wait for each other."""
    monkeypatch.setenv("CASELOAD_THREADS", "9")
    assert Settings.from_environment().pool_size == 9


@pytest.mark.parametrize("text", ["abc", "NaN", "Infinity", "-1", "1e99", "GBP=5"])
def test_a_threshold_that_is_no_amount(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is told by name; without one, nothing needs a second user."""
    assert Settings.from_environment().rules.approval_threshold is None
    monkeypatch.setenv("CASELOAD_APPROVAL_THRESHOLD", "999.99")
    assert Settings.from_environment().rules.approval_threshold == Decimal("999.99")
    monkeypatch.setenv("CASELOAD_APPROVAL_THRESHOLD", text)
    with pytest.raises(SettingsError, match="CASELOAD_APPROVAL_THRESHOLD"):
        Settings.from_environment()


def test_every_setting_says_what_it_is_for() -> None:
    """Each has a name of its own, a sentence, the values that it takes, and a default."""
    found = list(variables(Settings).values())
    assert len({setting.name for setting in found}) == len(found) > 40
    for setting in found:
        assert re.fullmatch(r"(CASELOAD|DATABASE)_[A-Z_]+|PORT", setting.name)
        assert setting.meaning.endswith("."), setting.name
        assert len(setting.meaning.split()) <= 25, setting.name
        assert setting.reader.values, setting.name
        assert setting.default, setting.name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"CASELOAD_TASK_LEASE": "7200"}, "CASELOAD_MAX_TASK_LEASE"),
        ({"CASELOAD_OPENING_HOURS": "sun 09:00-09:03"}, "CASELOAD_OPENING_HOURS"),
        ({"CASELOAD_RESOLUTION_TARGETS": "low=999"}, None),
        ({"CASELOAD_HOLIDAYS": ""}, None),
    ],
)
def test_settings_must_fit_together(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], name: str | None
) -> None:
    """A desk that is open for minutes a week can't answer within hours; told at the start."""
    for setting, value in given.items():
        monkeypatch.setenv(setting, value)
    if name is None:
        assert Settings.from_environment().rules
        return
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment()

"""Caseload's names for what `app.embedded` runs for it."""

from __future__ import annotations

from pathlib import Path

from app.embedded import Names

EMBEDDED = Names(
    user="caseload",
    database="caseload",
    shared_home=Path("/var/lib/caseload"),
    socket_prefix="caseload",
    advice="set CASELOAD_DATA_DIR",
)

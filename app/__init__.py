"""Caseload: the system of record behind a support desk. `app.application` builds it."""

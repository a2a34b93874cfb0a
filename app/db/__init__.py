"""The engine room: units of work, driver errors. No models."""

from app.db.database import Database
from app.db.retries import retry
from app.db.session import UnitOfWorkError
from app.db.unit import Isolation, Timeouts, UnitRolledBack

__all__ = ["Database", "Isolation", "Timeouts", "UnitOfWorkError", "UnitRolledBack", "retry"]

"""The engine room: units of work, driver errors. No models."""

from app.db.database import Database
from app.db.modes import Isolation, Timeouts
from app.db.retries import retry
from app.db.session import UnitOfWorkError
from app.db.unit import UnitRolledBack

__all__ = ["Database", "Isolation", "Timeouts", "UnitOfWorkError", "UnitRolledBack", "retry"]

"""A sync data layer for SQLAlchemy on PostgreSQL: units of work, tables, and a generic repository.

These names are public, and so are the errors of `errors`, the marks of `marks`, the proof kit of
`testing`, and `repository.search`, which is optional.
"""

from .database import Database, retry
from .engines import EngineOptions
from .errors import UnitOfWorkError, UnitRolledBack
from .marks import CHANGES_NOTHING
from .modes import Isolation, Timeouts
from .prepared import Prepared
from .repository.bulk import BulkWriter
from .repository.criteria import Filter, filter_on, filters_on, filters_through
from .repository.deletion import Deleter
from .repository.locks import lock_name, try_lock_name
from .repository.mass_writes import MassWriter
from .repository.pages import Page, Query, Sort, Total, sorts_on
from .repository.reading import Reader
from .repository.records import Record
from .repository.references import ReferenceChecker
from .repository.writing import Inserter, Repository, Updater
from .tables import LIVE, Base, DeletableResource, Identified, Resource, SoftDeleted
from .triggers import check_tables, create_tables, touch
from .types import JSONObject
from .violations import violations

__all__ = [
    "CHANGES_NOTHING",
    "LIVE",
    "Base",
    "BulkWriter",
    "Database",
    "DeletableResource",
    "Deleter",
    "EngineOptions",
    "Filter",
    "Identified",
    "Inserter",
    "Isolation",
    "JSONObject",
    "MassWriter",
    "Page",
    "Prepared",
    "Query",
    "Reader",
    "Record",
    "ReferenceChecker",
    "Repository",
    "Resource",
    "SoftDeleted",
    "Sort",
    "Timeouts",
    "Total",
    "UnitOfWorkError",
    "UnitRolledBack",
    "Updater",
    "check_tables",
    "create_tables",
    "filter_on",
    "filters_on",
    "filters_through",
    "lock_name",
    "retry",
    "sorts_on",
    "touch",
    "try_lock_name",
    "violations",
]

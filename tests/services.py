"""All services, found by their base class."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from app import services
from app.services import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

# What services are composed of; no edge calls them.
PARTS = {
    "Adds",
    "Applies",
    "BulkAdds",
    "BulkService",
    "Creates",
    "Deletes",
    "Reads",
    "ResourceService",
    "Restores",
    "Updates",
    "Writes",
}


def every_service() -> dict[str, type[Service]]:
    for module in pkgutil.iter_modules(services.__path__):
        importlib.import_module(f"{services.__name__}.{module.name}")
    return {
        kind.__name__: kind
        for kind in _below(Service)
        if kind.__module__.startswith(services.__name__) and kind.__name__ not in PARTS
    }


def _below(kind: type[Service]) -> Iterator[type[Service]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _below(subclass)

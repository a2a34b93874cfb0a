"""The service of a plain resource: all verbs.

A resource with fewer verbs is composed of those that it has: `TokenService(Reads, Adds, Deletes)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.db import DeletableResource
from app.services.kit.creates import Creates
from app.services.kit.deletes import Deletes, Restores
from app.services.kit.reads import Reads
from app.services.kit.updates import Updates

if TYPE_CHECKING:
    from app.db import Repository

D = TypeVar("D", bound=DeletableResource)


@dataclass(frozen=True, kw_only=True)
class ResourceService(Reads[D], Creates[D], Updates[D], Deletes[D], Restores[D]):
    repository: Repository[D]

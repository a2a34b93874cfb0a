"""A value that was not given, where None means something else."""

from __future__ import annotations

from enum import Enum


class Unset(Enum):
    UNSET = "unset"


UNSET = Unset.UNSET

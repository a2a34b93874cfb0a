"""The proof kit: for the tests of every service that is built on the layer. It needs no pytest."""

from .faults import DROP, DROP_AFTER, Faults
from .proof import WAYS, Proof, all_or_nothing
from .round_trips import RoundTrips
from .snapshots import NO_DIFFERENCE, Difference, Snapshot

__all__ = [
    "DROP",
    "DROP_AFTER",
    "NO_DIFFERENCE",
    "WAYS",
    "Difference",
    "Faults",
    "Proof",
    "RoundTrips",
    "Snapshot",
    "all_or_nothing",
]

"""Lists over HTTP: filters and sorts read from text, and sealed cursors.

It knows no web framework. It needs the package cryptography.
"""

from .cursors import Cursors
from .formats import format_timestamp, parse_timestamp, parse_uuid
from .parsing import MOST_VALUES, parse_boolean, parse_filter, parse_integer, parse_sort
from .sealing import Seal

__all__ = [
    "MOST_VALUES",
    "Cursors",
    "Seal",
    "format_timestamp",
    "parse_boolean",
    "parse_filter",
    "parse_integer",
    "parse_sort",
    "parse_timestamp",
    "parse_uuid",
]

"""JSON as it is sent to PostgreSQL, by every path of the layer alike."""

from decimal import Decimal

import orjson


def to_json(value: object) -> str:
    """Raises TypeError for what JSON cannot hold. NaN becomes null."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z).decode()


def _plain(value: object) -> str:
    """Bytes and decimals become text, as PostgreSQL reads them from it."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON.")

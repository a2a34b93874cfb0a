"""How autogenerate writes the layer's column types into a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..types import JSONObject, MinorUnits, TransactionId

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

_POSTGRESQL = "from sqlalchemy.dialects import postgresql"
_XID8 = f"from {TransactionId.__module__} import {TransactionId.__name__}"

# A migration names the type of the database, which stays when the code changes.
_RENDERED: dict[type, tuple[str, str]] = {
    JSONObject: ("postgresql.JSONB()", _POSTGRESQL),
    MinorUnits: ("sa.BigInteger()", "import sqlalchemy as sa"),
    TransactionId: (f"{TransactionId.__name__}()", _XID8),
}


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """For `context.configure(render_item=render_item)` in env.py.

    The script.py.mako of the migrations needs the line `${imports if imports else ""}`.
    """
    found = _RENDERED.get(type(item)) if kind == "type" else None
    if found is None:
        return False  # Alembic knows it
    rendered, needed = found
    context.imports.add(needed)
    return rendered

"""How autogenerate writes column types into a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """For `context.configure(render_item=render_item)` in env.py.

    A type names the database's type, which stays when the code changes: in `in_migrations`, as the
    source text of it and of the import that it needs. The script.py.mako of the migrations needs
    the line `${imports if imports else ""}`.
    """
    found = getattr(item, "in_migrations", None) if kind == "type" else None
    if found is None:
        return False  # Alembic knows it
    rendered, needed = found
    context.imports.add(needed)
    return str(rendered)

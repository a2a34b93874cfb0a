"""The services of a request, the body that it sent, and the answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from advanced_alchemy.extensions.flask import (
    AdvancedAlchemy,
    EngineConfig,
    SQLAlchemySyncConfig,
    SyncSessionConfig,
)
from flask import Response, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from sqlalchemy.orm import Session

S = TypeVar("S")
B = TypeVar("B", bound="BaseModel")

alchemy = AdvancedAlchemy(
    SQLAlchemySyncConfig(
        connection_string=os.environ["DATABASE_URL"].replace("://", "+psycopg2://", 1),
        engine_config=EngineConfig(pool_size=4, connect_args={"options": "-c TimeZone=UTC"}),
        session_config=SyncSessionConfig(expire_on_commit=False),
        commit_mode="autocommit",
        enable_touch_updated_timestamp_listener=False,  # a trigger does it
    )
)


def session() -> Session:
    """It is committed after an answer of 2xx."""
    found: Session = alchemy.get_sync_session()
    return found


def service(kind: type[S]) -> S:
    """Without the SELECT after each INSERT: RETURNING has read what the database fills in."""
    made: Any = kind
    found: S = made(session(), auto_refresh=False, wrap_exceptions=False)
    return found


def body(schema: type[B]) -> B:
    return schema.model_validate_json(request.get_data())


def answer(
    schema: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(schema.model_dump_json(), status, headers, mimetype="application/json")

"""The session of a request and who calls, as dependencies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.peers.common.actors import OWNER, Actor, Callers, hash_of
from benchmarks.peers.common.refusals import unauthenticated

_url = make_url(os.environ["DATABASE_URL"])
_place = {name: _url.query[name] for name in ("host", "port") if name in _url.query}
_engine = create_async_engine(
    _url.set(drivername="postgresql+asyncpg", query={}),
    pool_size=8,
    connect_args={**_place, "server_settings": {"timezone": "UTC"}},
)
_sessions = async_sessionmaker(_engine, expire_on_commit=False)
_callers = Callers()
_OWNER = text(OWNER.format(hash=":hash"))


async def _session() -> AsyncIterator[AsyncSession]:
    async with _sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]


async def _caller(request: Request) -> tuple[Actor, str]:
    """The actor and the id of the request."""
    authorization = request.headers.get("authorization", "")
    actor = _callers.known(authorization)
    if actor is None:
        actor = _callers.remember(authorization, await _owner(authorization))
    return actor, request.state.request_id


async def _owner(authorization: str) -> Actor:
    async with _sessions() as session:
        row = (await session.execute(_OWNER, {"hash": hash_of(authorization)})).one_or_none()
    if row is None:
        raise unauthenticated()
    return Actor(*row)


Caller = Annotated[tuple[Actor, str], Depends(_caller)]

from __future__ import annotations

from typing import Any

from django.db import connection
from rest_framework.authentication import BaseAuthentication

from benchmarks.peers.common.actors import OWNER, Actor, Callers, hash_of
from benchmarks.peers.common.refusals import unauthenticated

_OWNER = OWNER.format(hash="%s")
_callers = Callers()


class TokenOwner(BaseAuthentication):
    """`request.user` is the actor."""

    def authenticate(self, request: Any) -> tuple[Actor, None]:
        authorization = request.headers.get("Authorization", "")
        actor = _callers.known(authorization)
        if actor is None:
            with connection.cursor() as cursor:
                cursor.execute(_OWNER, [hash_of(authorization)])
                row = cursor.fetchone()
            if row is None:
                raise unauthenticated()
            actor = _callers.remember(authorization, Actor(*row))
        return actor, None

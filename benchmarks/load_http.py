"""A client of the API on one connection that is kept open, from the standard library alone."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any, NamedTuple

_PATIENCE = 60.0  # seconds, over all tries of one call


class Answer(NamedTuple):
    """`tries` tells how often the request was sent; all but the last went unanswered."""

    status: int
    body: Any
    tries: int = 1

    @property
    def problem(self) -> str:
        is_problem = isinstance(self.body, dict) and "/problems/" in str(self.body.get("type"))
        return self.body["type"].rpartition("/problems/")[2] if is_problem else ""

    @property
    def comes_later(self) -> bool:
        """The same request may be answered otherwise in a moment."""
        is_away = self.status == http.client.SERVICE_UNAVAILABLE
        return is_away or self.problem == "idempotency-in-progress"


class Connection:
    def __init__(self, port: int, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.call("POST", path, body)

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        patience: float = _PATIENCE,
    ) -> Answer:
        """As a careful client does: again where the connection broke, and where it is asked to.

        Out of patience, in seconds, it raises what broke the connection, or answers the last thing.
        The service closes what was silent for long, and may do so just when something is sent.
        `key` is an Idempotency-Key.
        """
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                status, data = self._once(method, path, body, key)
            except (OSError, http.client.HTTPException):
                self._http.close()
                if time.monotonic() - began >= patience:
                    raise
                time.sleep(0.05)
            else:
                answer = Answer(status, json.loads(data), tries)
                if not answer.comes_later or time.monotonic() - began >= patience:
                    return answer
                time.sleep(0.2)

    def connect(self) -> None:
        self._http.connect()

    def close(self) -> None:
        self._http.close()

    def _once(self, method: str, path: str, body: Any, key: str | None) -> tuple[int, bytes]:
        if self._http.sock is None:
            self._http.connect()
        # Headers and body go out in two pieces; without this the second waits for the first's ACK.
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = None if body is None else json.dumps(body).encode()
        named = {} if key is None else {"Idempotency-Key": key}
        self._http.request(method, path, sent, self._headers | named)
        response = self._http.getresponse()
        return response.status, response.read()

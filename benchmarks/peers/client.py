"""A client on one connection, that shows what a contender answers, headers included."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Client:
    def __init__(self, port: int, token: str) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: object) -> Answer:
        return self.send("POST", path, json.dumps(body).encode())

    def send(
        self, method: str, path: str, data: bytes | None = None, *, with_token: bool = True
    ) -> Answer:
        headers = self._headers if with_token else {}
        headers = headers if data is None else headers | {"Content-Type": "application/json"}
        self._http.request(method, path, data, headers)
        response = self._http.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, json.loads(response.read()))

    def close(self) -> None:
        self._http.close()

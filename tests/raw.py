"""HTTP as bytes on a socket, for what no client would send."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import orjson

_PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Reply:
    """What came back; `status` 0 where the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of the problem; empty where it is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        return str(self.json["type"]).rpartition("/problems/")[2]

    @property
    def codes(self) -> dict[str, str]:
        """The mistakes: pointer, parameter or header to code."""
        return {
            item.get("pointer", item.get("parameter", item.get("header"))): item["code"]
            for item in self.json.get("errors", [])
        }


class Server:
    """Where gunicorn listens, and a token for it."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    def send(self, data: bytes, *, close: bool = True) -> Reply:
        """The bytes as they are; with `close` nothing more is going to come."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as connection:
            received = b""
            try:
                connection.sendall(data)
                if close:
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    received += part
            except ConnectionError:
                pass  # it had heard enough
        return _read(received)

    def ask(
        self,
        method: str,
        target: str | bytes,
        body: bytes | None = None,
        *headers: str,
        token: str | None = None,
        media: str | None = "application/json",
    ) -> Reply:
        """A request that is right but for what is given."""
        path = target.encode() if isinstance(target, str) else target
        bearer = self.token if token is None else token
        lines = ["Host: desk.example", "Connection: close", *headers]
        lines += [f"Authorization: Bearer {bearer}"] if bearer else []
        if body is not None:
            lines += [f"Content-Length: {len(body)}"]
            lines += [f"Content-Type: {media}"] if media is not None else []
        head = "\r\n".join(lines).encode("latin-1")
        first = method.encode() + b" " + path + b" HTTP/1.1\r\n"
        return self.send(first + head + b"\r\n\r\n" + (body or b""), close=False)

    def make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST what must succeed."""
        reply = self.ask("POST", path, orjson.dumps(body))
        assert reply.status == 201, reply
        made: dict[str, Any] = reply.json
        return made


def _read(received: bytes) -> Reply:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1."):
        return Reply(0, {}, received)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(body.split(b"\r\n")[1::2])
    return Reply(int(first.split()[1]), headers, body)

"""A client of the API: JSON in, JSON out, with a token. What it gets must be documented."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.contract import check_answer

if TYPE_CHECKING:
    from flask import Flask

POSTS_HAVE_KEYS = bool(os.environ.get("TEST_IDEMPOTENCY_KEYS"))
"""Then every POST of the tests must do the same within one unit of work."""


class Answer(TestResponse):
    @property
    def json(self) -> Any:
        return orjson.loads(self.data)


class Client:
    def __init__(
        self, app: Flask, token: str | None, *, user_id: str = "", token_id: str = ""
    ) -> None:
        self.token, self.user_id, self.token_id = token, user_id, token_id
        self._app = app
        self._client = FlaskClient(app, Answer, use_cookies=False)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.send("POST", path, body, headers=headers)

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("PATCH", path, body, headers=headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.send("DELETE", path, headers=headers)

    def create(self, path: str, body: Any) -> dict[str, Any]:
        """POST what must succeed; returns the new resource."""
        answer = self.post(path, body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json
        return created

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        content_type: str | None = "application/json",
    ) -> Answer:
        """`if_match="..."` becomes the header If-Match; `raw` is sent as it is."""
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if POSTS_HAVE_KEYS and method == "POST" and "idempotency-key" not in map(str.lower, sent):
            sent["Idempotency-Key"] = uuid4().hex
        data = raw if raw is not None else None if body is None else orjson.dumps(body)
        answer = self._client.open(
            path,
            method=method,
            headers=sent,
            data=data,
            content_type=content_type if data is not None else None,
        )
        assert isinstance(answer, Answer)
        check_answer(self._app, method, path, answer)
        return answer


def codes(answer: Answer) -> dict[str, str]:
    """The mistakes that a problem names: pointer, parameter or header to code."""
    assert answer.mimetype == "application/problem+json", answer.text
    return {
        item.get("pointer", item.get("parameter", item.get("header"))): item["code"]
        for item in answer.json.get("errors", [])
    }


def problem(answer: Answer) -> tuple[int, str]:
    """The status and the name of a problem."""
    assert answer.mimetype == "application/problem+json", answer.text
    body = answer.json
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return answer.status_code, body["type"].rpartition("/problems/")[2]

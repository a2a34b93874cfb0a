"""Logs: what is logged in a request carries the id that the client got."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import orjson
import pytest

from app.db.errors import DatabaseUnreachable
from app.logs import RequestIds
from app.services import CustomerService
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from tests.served import Desk

LINE = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+ (?P<level>[A-Z]+) \[(?P<id>[^]]*)\] (?P<text>.*)$",
    re.MULTILINE,
)


def test_the_log_of_a_500_carries_its_request_id(served: Desk) -> None:
    """What gunicorn writes: an operator finds the cause by the id that the client reports."""
    token = served.employ("one").token
    served.sql("ALTER TABLE products RENAME TO no_products")
    for given in ("first-7", "second-8"):
        headers = {"Authorization": f"Bearer {token}", "X-Request-Id": given}
        asked = Request(f"http://127.0.0.1:{served.port}/v1/products", headers=headers)
        with pytest.raises(HTTPError) as refused:
            urlopen(asked)  # noqa: S310 - same
        body = orjson.loads(refused.value.read())
        assert (body["status"], body["request_id"]) == (500, given)
    logged = {line["id"]: line for line in LINE.finditer(served.log) if line["level"] == "ERROR"}
    assert {"first-7", "second-8"} <= logged.keys()
    assert "GET /v1/products failed" in logged["first-7"]["text"]
    assert "UndefinedTable" in served.log


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What a handler of a serving process gets."""
    ids = RequestIds()
    caplog.handler.addFilter(ids)
    yield caplog
    caplog.handler.removeFilter(ids)


def _ids(log: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["request_id"] for record in log.records]


def test_the_log_of_a_503_carries_its_request_id(
    staff: Client, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that the service made up; and nothing that is logged afterwards has it."""

    def unreachable(*_: object, **__: object) -> None:
        raise DatabaseUnreachable("The database can't be reached.")

    monkeypatch.setattr(CustomerService, "get", unreachable)
    path = "/v1/customers/01a00000-0000-7000-8000-000000000000"
    for given in ("given-1", ""):
        answer = staff.get(path, x_request_id=given)
        assert problem(answer) == (503, "database-unavailable")
        answer.close()
        logging.getLogger("app.scheduler").warning("between two requests")
        assert _ids(log) == [answer.headers["X-Request-Id"], "-"]
        log.clear()


def test_what_is_logged_after_the_answer_carries_it(
    app: Flask, staff: Client, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The use of a token is recorded once the answer is out; that it failed is of that request."""

    def unreachable(*_: object) -> None:
        raise DatabaseUnreachable("The database can't be reached.")

    monkeypatch.setattr(app.extensions["authenticator"], "record_use", unreachable)
    staff.get("/v1/me", x_request_id="used-1").close()
    assert _ids(log) == ["used-1"]
    assert "use of a token" in log.text


def test_threads_do_not_mix_their_requests(
    staff: Client, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record has the id of the request that its own thread answers."""
    together = threading.Barrier(4)

    def fail(self: CustomerService, key: Any, **_: object) -> None:
        together.wait(60)
        logging.getLogger("app.test").warning("in %s", self.request_id)
        together.wait(60)
        raise DatabaseUnreachable("The database can't be reached.")

    monkeypatch.setattr(CustomerService, "get", fail)
    path = "/v1/customers/01a00000-0000-7000-8000-000000000000"
    client = Client(staff._app, staff.token)
    threads = [
        threading.Thread(target=client.get, args=[path], kwargs={"x_request_id": f"thread-{n}"})
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logged = [record for record in log.records if record.name == "app.test"]
    assert len(logged) == 4
    for record in logged:
        assert record.getMessage() == f"in {vars(record)['request_id']}"

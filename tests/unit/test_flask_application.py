"""`Application` does what Flask does: each test asks both for the same."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

import flask
import pytest
from blinker import NamedSignal
from flask import Blueprint, Flask, session
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from app.flask_application import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.routing import MapAdapter

HOSTS = (
    "desk.example Desk.Example desk.example:80 desk.example:443 desk.example:8000 127.0.0.1:8000 "
    f"[::1]:8000 a..b - . a,b b\xfccher.example desk.example:123456 {'a' * 63} {'a' * 64} "
).split(" ")
SIGNALS = [found for found in vars(flask).values() if isinstance(found, NamedSignal)]
PATHS = ["/books", "/books/7", "/books/", "//books", "/b\xc3\xbccher", "/books/\xff", "/none", ""]


def answer(environ: dict[str, Any], kind: type[Flask], **config: object) -> object:
    """What the application makes of the request: its route and addresses, or the error."""
    app = kind("books")
    app.config.update(config)
    app.url_map.merge_slashes = False
    app.add_url_rule("/books", "list", lambda: "")
    app.add_url_rule("/books/<int:key>", "read", read)
    app.add_url_rule("/bücher", "buecher", lambda: "")
    with app.request_context(dict(environ)) as context:
        refused = context.request.routing_exception
        adapter = context.url_adapter
        return (
            (type(refused), getattr(refused, "description", None)),
            (context.request.endpoint, context.request.view_args),
            None if adapter is None else addresses(adapter),
        )


def read(key: int) -> str:
    return str(key)


def addresses(adapter: MapAdapter) -> list[str]:
    return [
        adapter.build("read", {"key": 8}, force_external=external) for external in (True, False)
    ]


@settings(deadline=None)
@given(
    changes=st.fixed_dictionaries(
        {
            "HTTP_HOST": st.sampled_from(HOSTS),
            "PATH_INFO": st.sampled_from(PATHS),
            "SCRIPT_NAME": st.sampled_from(["", "/desk", "/d\xc3\xa9sk"]),
            "REQUEST_METHOD": st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
            "QUERY_STRING": st.sampled_from(["", "a=1", "\xfc"]),
            "wsgi.url_scheme": st.sampled_from(["http", "https"]),
        },
        optional={"HTTP_UPGRADE": st.just("websocket"), "HTTP_CONNECTION": st.just("upgrade")},
    ),
    config=st.sampled_from(
        [
            {},
            {"TRUSTED_HOSTS": [".example"]},
            {"SERVER_NAME": "desk.example"},
            {"TRUSTED_HOSTS": []},
        ]
    ),
)
def test_a_request_has_the_same_route(changes: dict[str, str], config: dict[str, object]) -> None:
    """Host, root and query decide no route, unless they are unusual."""
    environ = EnvironBuilder("/").get_environ() | changes
    assert answer(environ, Application, **config) == answer(environ, Flask, **config)


def test_a_request_without_a_host_has_the_same_route() -> None:
    environ = EnvironBuilder("/books").get_environ()
    del environ["HTTP_HOST"], environ["SCRIPT_NAME"], environ["QUERY_STRING"]
    assert answer(environ, Application) == answer(environ, Flask)


@pytest.mark.parametrize("path", ["/books/ok", "/books/refused", "/books/broken", "/nothing"])
def test_hooks_and_signals_come_in_the_same_order(path: str) -> None:
    """Those of the application and of a blueprint, errors, and what is done at the end."""
    assert run(Application, path) == run(Flask, path)


def run(kind: type[Flask], path: str) -> list[object]:
    """All that is called for one request, and the response."""
    app, books = kind("desk"), Blueprint("books", "books")
    seen: list[object] = []

    def note(name: str, result: object = None) -> Callable[..., Any]:
        def noted(*given: object, **_: object) -> object:
            seen.append(name)
            return given[0] if name.startswith("after") else result

        return noted

    for scope, name in ((app, "application"), (books, "blueprint")):
        scope.before_request(note(f"before {name}"))
        scope.after_request(note(f"after {name}"))
        scope.teardown_request(note(f"teardown {name}"))
        scope.url_value_preprocessor(note(f"values {name}"))
    app.teardown_appcontext(note("teardown of the context"))
    books.errorhandler(KeyError)(note("error handler", ("handled", 418)))
    books.add_url_rule("/books/ok", "ok", note("view", "fine"))
    books.add_url_rule("/books/refused", "refused", raise_key_error)
    books.add_url_rule("/books/broken", "broken", raise_value_error)
    app.register_blueprint(books)
    listeners = [(signal, note(f"signal {signal.name}")) for signal in SIGNALS]
    for signal, listener in listeners:
        signal.connect(listener, app)
    response = app.test_client().get(path)
    return [*seen, response.status, response.data, sorted(response.headers)]


def raise_key_error() -> NoReturn:
    raise KeyError


def raise_value_error() -> NoReturn:
    raise ValueError


def test_an_async_view_is_called_as_flask_calls_it() -> None:
    async def view() -> str:
        return "fine"

    def outcome(kind: type[Flask]) -> object:
        app = kind("desk")
        app.add_url_rule("/", "view", view)
        app.testing = True
        try:
            return app.test_client().get("/").data
        except RuntimeError as error:  # Flask's, where the package asgiref is missing
            return str(error)

    assert outcome(Application) == outcome(Flask)


@pytest.mark.parametrize("kind", [Application, Flask])
def test_the_files_of_a_form_are_closed(kind: type[Flask]) -> None:
    app, files = kind("desk"), []

    @app.post("/")
    def view() -> str:
        files.append(flask.request.files["file"])
        return "fine"

    app.test_client().post("/", data={"file": (BytesIO(b"text"), "name")})
    assert [file.closed for file in files] == [True]


def test_there_are_no_sessions() -> None:
    """Also with a key that Flask would sign them with."""
    app = Application("desk")
    app.secret_key = "k"

    @app.get("/")
    def view() -> str:
        assert session.get("user") is None
        session["user"] = "Ada"
        return "never"

    app.testing = True
    with pytest.raises(RuntimeError, match="session is unavailable"):
        app.test_client().get("/")

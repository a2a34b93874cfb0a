"""Flask, without the steps before a view that no request of Caseload needs."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface

from app.known_routes import KnownRoutes, RouteAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.sessions import SessionMixin
    from werkzeug.routing import MapAdapter

# Flask handles every other host: it changes some, such as one in capitals, and refuses some.
_PLAIN_HOST = re.compile(
    r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*(?::(?!80$|443$)[0-9]{1,5})?", re.ASCII
)


class APIRequest(Request):
    """Flask's request, which works out less of itself."""

    @cached_property
    def blueprints(self) -> list[str]:
        """Flask asks for them three times."""
        return super().blueprints

    def close(self) -> None:
        """Only a form has files, which werkzeug closes; it looks for them in every request."""
        if "files" in self.__dict__:
            super().close()


class NoSessions(SessionInterface):
    """Caseload keeps no sessions: each request has a token. Writing to the session raises."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 - as Flask calls it
        return self._none


class Application(Flask):
    """It does what Flask does, in less time for each request (`docs/architecture.md`)."""

    request_class = APIRequest
    session_interface = NoSessions()

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None)
        self._routes = KnownRoutes()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Flask takes the host apart first, which decides no route here."""
        if request is None or not self._is_plain(request.environ):
            return super().create_url_adapter(request)
        environ = request.environ
        return RouteAdapter(
            self._routes,
            self.url_map,
            server_name=environ["HTTP_HOST"],
            script_name=environ.get("SCRIPT_NAME") or "/",
            subdomain=self.url_map.default_subdomain,
            url_scheme=environ["wsgi.url_scheme"],
            path_info=environ["PATH_INFO"],
            default_method=environ["REQUEST_METHOD"],
            query_args=environ.get("QUERY_STRING", ""),
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Flask asks before each call of a view or hook whether it is async: here, once of each."""
        return super().ensure_sync(func) if _is_async(func) else func

    def _is_plain(self, environ: dict[str, Any]) -> bool:
        return (
            _PLAIN_HOST.fullmatch(environ.get("HTTP_HOST", "")) is not None
            and environ["PATH_INFO"].isascii()
            and environ.get("SCRIPT_NAME", "").isascii()
            and environ.get("QUERY_STRING", "").isascii()
            and "HTTP_UPGRADE" not in environ
            and self.config["TRUSTED_HOSTS"] is self.config["SERVER_NAME"] is None
        )


@lru_cache(maxsize=1024)
def _is_async(func: Callable[..., Any]) -> bool:
    return iscoroutinefunction(func)

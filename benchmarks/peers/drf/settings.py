"""No more of Django than the jobs need: no sessions, no users of its own, no middleware but one."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])
_options = parse_qs(_url.query)

SECRET_KEY = "k" * 50
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "benchmarks.peers.drf.urls"
INSTALLED_APPS = ["rest_framework", "benchmarks.peers.drf.apps.DeskConfig"]
MIDDLEWARE = ["benchmarks.peers.drf.problems.name_request"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": _url.username or "",
        "PASSWORD": _url.password or "",
        "HOST": _options.get("host", [_url.hostname or ""])[0],
        "PORT": _options.get("port", [str(_url.port or "")])[0],
        "CONN_MAX_AGE": None,
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["benchmarks.peers.drf.authentication.TokenOwner"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "benchmarks.peers.drf.problems.handle",
    "UNAUTHENTICATED_USER": None,
}

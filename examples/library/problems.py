"""Errors as HTTP: each class of error has one status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import jsonify
from marshmallow import ValidationError
from unitwork.errors import (
    ApplicationError,
    Conflict,
    Invalid,
    InvalidCriterion,
    Unavailable,
    VersionMismatch,
)
from werkzeug.exceptions import HTTPException

from library.errors import NotFound

if TYPE_CHECKING:
    from flask import Flask, Response

_STATUS: dict[type[ApplicationError], int] = {
    NotFound: 404,
    Conflict: 409,
    VersionMismatch: 412,
    Invalid: 422,
    InvalidCriterion: 400,
    Unavailable: 503,
}


def register(app: Flask) -> None:
    app.register_error_handler(ApplicationError, _application_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(HTTPException, _http_error)


def _application_error(error: ApplicationError) -> tuple[Response, int]:
    status = next((_STATUS[kind] for kind in type(error).mro() if kind in _STATUS), 500)
    return jsonify(code=error.code, detail=str(error)), status


def _validation_error(error: ValidationError) -> tuple[Response, int]:
    return jsonify(code=Invalid.code, detail=error.messages), 422


def _http_error(error: HTTPException) -> tuple[Response, int]:
    return jsonify(code="http-error", detail=error.description), error.code or 500

"""A check for schemathesis, in place of its own `positive_data_acceptance`.

What the schemas allow is refused only by what no schema can say: rules of the domain, the state of
things, and cursors, which are signed.
"""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.core.parameters import ParameterLocation

RULES = {
    "inactive",  # an agent who is gone
    "invalid-character",  # NUL, which PostgreSQL does not store
    "invalid",  # accounts that do without a balance
    "not-pending",
    "null",  # no limit: only for the firm's own accounts
    "range",  # times that lie in the past, amounts beyond what is kept
    "required",  # how many are expected, unless they are only counted
    "same-account",
    "unknown-reference",
    "unbalanced",
    "whole-only",
}


@schemathesis.hook
def before_call(_: Any, case: Any, **__: Any) -> None:
    """Leaves the user and the token alone with which everything is done, and repeats no key."""
    kept = os.environ["FUZZ_KEEPS"].split()
    if (case.path_parameters or {}).get("id") in kept:
        case.path_parameters["id"] = str(uuid4())
    if isinstance(case.body, dict) and isinstance(case.body.get("ids"), list):
        case.body["ids"] = [key for key in case.body["ids"] if key not in kept]
    if "Idempotency-Key" in (case.headers or {}) and _has_right_headers(case):
        case.headers["Idempotency-Key"] = str(uuid4())


def _has_right_headers(case: Any) -> bool:
    """Others are left as they are, or schemathesis takes them for right, too."""
    of_headers = case.meta and case.meta.components.get(ParameterLocation.HEADER)
    return bool(of_headers and of_headers.mode.is_positive)


@schemathesis.check
def valid_is_refused_by_a_rule_alone(_: Any, response: Any, case: Any) -> None:
    if case.meta is None or case.meta.generation.mode != schemathesis.GenerationMode.POSITIVE:
        return
    if response.status_code not in (400, 422):
        return
    errors = response.json().get("errors", [])
    refused = [error for error in errors if not _is_a_rule(error, case)]
    assert errors, response.text
    assert not refused, response.text


def _is_a_rule(error: dict[str, str], case: Any) -> bool:
    if "__in" in error.get("pointer", ""):  # values between commas
        return True
    if error["code"] == "invalid-parameter":
        return error["parameter"] == "query" or "twice" in error["detail"]
    if error["code"] == "type":  # to JSON Schema 1.0 is an integer
        return _has_whole_float(case.body)
    return error["code"] in RULES | {"invalid-cursor"}


def _has_whole_float(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()

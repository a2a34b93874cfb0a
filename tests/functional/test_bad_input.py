"""Whatever a client sends is understood exactly or refused: never 5xx, bent or half done."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from tests.client import Client

WHOLE = b'{"reference": "C-1", "name": "Ann", "attributes": %s}'
ID = "01a00000-0000-7000-8000-000000000000"
ARABIC_5 = "\N{ARABIC-INDIC DIGIT FIVE}"

MALFORMED = [
    b"",
    b" ",
    b"{",
    b"nul",
    b"{'name': 1}",
    b'{"name": "x",}',
    b"{} {}",
    b'{"name": "a\nb"}',
    b'{"name": 01}',
    b'{"name": +1}',
    b'{"name": .5}',
    b'{"name": 1_000}',
    b'{"name": 0x10}',
    f'{{"name": {ARABIC_5}}}'.encode(),
    b'{"name": NaN}',
    b'{"name": Infinity}',
    b'{"name": -Infinity}',
    b'{"name": "a", "name": "a"}',
    b'{"name": "a", "n\\u0061me": "b"}',
    WHOLE % b'{"a": {"b": 1, "b": 2}}',
    WHOLE % (b'{"a":' * 32 + b"1" + b"}" * 32),
    WHOLE % (b"{" + b",".join(b'"%d":1' % n for n in range(1001)) + b"}"),
    pytest.param(WHOLE % (b"[" * 100_000 + b"]" * 100_000), id="deep list"),
    pytest.param(b'{"a":' * 100_000, id="deep object"),
    '{"name": "x"}'.encode("utf-16"),
    '{"name": "x"}'.encode("utf-16-le"),
    '{"name": "x"}'.encode("utf-8-sig"),
    '{"name": "\xe9"}'.encode("latin-1"),
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\xc0\x80"}',
]


@pytest.mark.parametrize("raw", MALFORMED)
def test_what_is_not_json_is_400(staff: Client, raw: bytes) -> None:
    """Syntax, encoding, keys given twice or more than 1,000, and nesting deeper than 32."""
    for method, path in (("POST", "/v1/customers"), ("PATCH", f"/v1/customers/{ID}")):
        assert problem(staff.send(method, path, raw=raw)) == (400, "malformed-json")


NUMBERS = b"9223372036854775807 -9223372036854775808 0.1 1.50 1e2 1e16 -0.0 9e18 1e-7 5e-324 12.3"
INEXACT = (
    b"9223372036854775808 -9223372036854775809 1e22 -1e19 1e400 1e-400 1e-99999999999999999999"
    b" 0e99999999999999999999 0.100000000000000000001 " + b"1" * 5000
)
VALUE = {"/attributes/x": "range"}
NUL = {"/attributes/x": "invalid-character"}
INVALID = [
    *[(top, {"": "type"}) for top in (b"[]", b"null", b'"x"', b"1", b"1.5", b"true", b"[{}]")],
    (b"1e400", {"": "range"}),
    (b"{}", {"/reference": "required", "/name": "required"}),
    (
        b'{"reference": "\\u0000", "name": "\\ud800"}',
        {"/reference": "invalid-character", "/name": "invalid-character"},
    ),
    (
        b'{"n\\u0000": 1, "\\udfff": "\\u0000"}',
        {"/n\N{SYMBOL FOR NULL}": "invalid-character", "/?": "invalid-character"},
    ),
    (WHOLE % b'{"x": "a\\u0000"}', NUL),
    (WHOLE % b'{"x": "\\udc00\\ud800"}', NUL),
    (WHOLE % b'{"a": [{"b~/": "\\u0000"}]}', {"/attributes/a/0/b~0~1": "invalid-character"}),
    (
        WHOLE % b'{"\\ud800": {"a": "\\u0000"}}',
        {"/attributes/?": "invalid-character", "/attributes/?/a": "invalid-character"},
    ),
    *[(WHOLE % b'{"x": %s}' % number, VALUE) for number in INEXACT.split()],
    (WHOLE % b'["a"]', {"/attributes": "type"}),
    (WHOLE % b'"{}"', {"/attributes": "type"}),
    (WHOLE % b"null", {"/attributes": "null"}),
    (
        b'{"reference": "C", "name": "A", "nope": 1, "_schema": 2, "a/b~": 3}',
        {"/nope": "unknown-field", "/_schema": "unknown-field", "/a~1b~0": "unknown-field"},
    ),
]


@pytest.mark.parametrize(("raw", "mistakes"), INVALID)
def test_what_is_json_and_wrong_is_422(staff: Client, raw: bytes, mistakes: dict[str, str]) -> None:
    """Every mistake is pointed at, and nothing is made."""
    answer = staff.send("POST", "/v1/customers", raw=raw)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes
    assert staff.get("/v1/customers").json["items"] == []


WRONG_VALUES: list[tuple[str, object, str]] = [
    *[("name", value, "type") for value in (1, 1.5, True, ["Ann"], {"Ann": 1})],
    ("name", None, "null"),
    *[("name", value, "length") for value in ("", " ", "\t\n", "\N{NO-BREAK SPACE}", "a" * 201)],
    *[("role", value, "choice") for value in ("boss", "Admin", "", "admin ")],
    ("role", 1, "type"),
    ("role", None, "null"),
    *[("is_active", value, "type") for value in ("yes", "true", "", 1, 0, 1.0)],
    ("is_active", None, "null"),
    *[
        ("email", value, "format")
        for value in ("x", "@x.example", "a@", "a@b@c", "a b@c.example", "a@x..example")
    ],
    *[("email", value, "format") for value in ("a@x.example\n", " a@x.example")],
    ("email", "a" * 250 + "@x.example", "length"),
    ("email", 5, "type"),
    *[
        (name, "1", "read-only-field")
        for name in ("id", "version", "created_at", "updated_at", "deleted_at")
    ],
    ("status", "open", "unknown-field"),
]


@pytest.mark.parametrize(("field", "value", "code"), WRONG_VALUES)
def test_types_and_ranges_are_strict(admin: Client, field: str, value: object, code: str) -> None:
    """In POST and PATCH alike nothing is converted, trimmed or ignored, and nothing changes."""
    whole = {"email": "b@desk.example", "name": "B", "role": "viewer", "is_active": True}
    path = f"/v1/users/{admin.user_id}"
    before = admin.get(path).json
    for answer in (
        admin.post("/v1/users", {**whole, field: value}),
        admin.patch(path, {"name": "New", field: value}),
    ):
        assert answer.status_code == 422
        assert codes(answer)[f"/{field}"] == code
    assert admin.get("/v1/users").json["items"] == [before]


@pytest.mark.parametrize("number", NUMBERS.split())
def test_a_number_is_read_back_as_it_was_answered(staff: Client, number: bytes) -> None:
    """A number that is taken at all is kept exactly, and a PATCH with it changes nothing."""
    raw = WHOLE % b'{"x": %s}' % number
    created = staff.send("POST", "/v1/customers", raw=raw)
    assert Decimal(str(created.json["attributes"]["x"])) == Decimal(number.decode())
    assert staff.get(created.headers["Location"]).data == created.data
    again = staff.send(
        "PATCH", created.headers["Location"], raw=b'{"attributes": {"x": %s}}' % number
    )
    assert again.data == created.data


def test_text_is_kept_as_it_is(staff: Client) -> None:
    """Any character that can be stored is, untouched, also as a key."""
    odd = "\x01\x7f \u200b\ufeff\ufffd\U0001f600 a\u0301\xe1 <>&\"'\\%_"
    body = {"reference": odd, "name": odd, "phone": odd, "attributes": {odd: [odd, {"": odd}]}}
    created = staff.create("/v1/customers", body)
    assert {name: created[name] for name in body} == body
    assert staff.get(f"/v1/customers/{created['id']}").json == created


def test_32_levels_are_not_too_deep(staff: Client) -> None:
    """The limit itself is allowed, and comes back whole."""
    raw = WHOLE % (b'{"a":' * 31 + b"1" + b"}" * 31)
    created = staff.send("POST", "/v1/customers", raw=raw)
    assert created.status_code == 201
    assert staff.get(created.headers["Location"]).data == created.data


@pytest.mark.parametrize("text", ["2030-01-01T00:00:00", "2030-02-30T00:00:00Z", 1893456000])
def test_a_time_that_is_none(admin: Client, text: object) -> None:
    """Naive, impossible or a number: 422 in a body, 400 in a query."""
    body = {"user_id": admin.user_id, "name": "x", "expires_at": text}
    code = "format" if isinstance(text, str) else "type"
    assert codes(admin.post("/v1/tokens", body)) == {"/expires_at": code}
    answer = admin.get(f"/v1/tokens?expires_at__lt={text}")
    assert problem(answer) == (400, "invalid-parameter")


@pytest.mark.parametrize("text", ["1", ID.upper(), f"{{{ID}}}", ID.replace("-", "")])
def test_an_id_that_is_none(admin: Client, text: str) -> None:
    """Only the canonical spelling: 404 in a path, 422 in a body, 400 in a query."""
    assert problem(admin.get(f"/v1/tokens/{quote(text)}")) == (404, "not-found")
    body = {"user_id": text, "name": "x"}
    assert codes(admin.post("/v1/tokens", body)) == {"/user_id": "format"}
    answer = admin.get(f"/v1/tokens?user_id={quote(text)}")
    assert problem(answer) == (400, "invalid-parameter")


PARAMETERS = {
    "limit": f"0 -1 101 abc 1.5 1e1 %2B5 %205 0x10 1_0 9999999999999999999 {quote(ARABIC_5)} %00",
    "sort": "nope id - --name name,-name name,,email name,created_at__gte NAME attributes",
    "include_total": "yes 1 True TRUE null",
    "include_deleted": "yes 0 False",
    "q": "%20 %09 %00 " + "a" * 201,
    "name": "%00 a%00b",
    "name__in": "a,,b , " + ",".join("a" * 101),
    "created_at": "yesterday 2026-01-01 2026-01-01T00:00:00 2026-01-01T00:00:00+01:00 %00",
    "email__is_null": "maybe 1 null",
    **dict.fromkeys(["nope", "name__nope", "name__lt", "created_at__contains", "__eq", "a b"], "1"),
    **dict.fromkeys(["name__is_null", "email__in", "deleted_at__is_null", "Limit"], "true"),
    **dict.fromkeys(["attributes", "version", "id", "name__ne__ne", "name__", "items[]"], "1"),
}


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_wrong_parameter_is_400(admin: Client, parameter: str) -> None:
    """Each wrong value, an empty one and a repeated one are refused, and named."""
    wrong = [f"{parameter}={value}" for value in PARAMETERS[parameter].split(" ") if value]
    repeated = f"{parameter}=1&limit=5&{parameter}=1"
    for query in (*wrong, f"{parameter}=", parameter, repeated):
        answer = admin.get(f"/v1/customers?{query}")
        assert problem(answer) == (400, "invalid-parameter"), query
        assert codes(answer) == {parameter: "invalid-parameter"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("%00=1", ""),
        ("na%00me=1", "name"),
        ("=1", ""),
        ("%ff=1", "query"),
        ("q=%ff", "query"),
        ("name=%ED%A0%80", "query"),
        ("name=%C0%80", "query"),
        ("n%61me=a&name=b", "name"),
        ("&".join(f"p{n}=1" for n in range(51)), "query"),
    ],
)
def test_a_wrong_query_is_400(staff: Client, query: str, parameter: str) -> None:
    """Names that are no names, and too many of them."""
    answer = staff.get(f"/v1/customers?{query}")
    assert codes(answer) == {parameter: "invalid-parameter"}
    assert answer.status_code == 400


def test_a_post_without_fields_may_name_the_type_of_no_body(staff: Client) -> None:
    """Many clients send it with every POST. Where a body is needed, the answer says so."""
    customer = staff.create("/v1/customers", {"reference": "A", "name": "Ann"})
    path = f"/v1/customers/{customer['id']}"
    staff.delete(path)
    answer = staff.send("POST", f"{path}/restore", raw=b"", content_type="application/json")
    assert answer.status_code == 200
    answer = staff.send("POST", "/v1/customers", raw=b"", content_type="application/json")
    assert problem(answer) == (400, "malformed-json")
    assert answer.json["detail"] == "A body is required."

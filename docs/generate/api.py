"""A page for each resource of the API, from the routes and the OpenAPI document."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app import create_app
from app.api.about import ABOUT
from app.api.kit.openapi import document as openapi
from app.api.kit.openapi.routes import Route, routes
from app.api.problem_types import PROBLEM_TYPES
from app.domain.actors import Role
from app.settings import Settings
from docs.generate.parts import DOCS, code, table
from docs.generate.shapes import body_fields, fields, members, name_of, named, type_of, used_by

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from docs.generate.shapes import Shape

_ROLES = tuple(Role)
# The sections of docs/api.md that have another title than the resource.
_RULES = {
    "accounts": "Money",
    "events": "The change feed",
    "faqs": "Search",
    "messages": "Conversations",
    "products": "Search",
    "transactions": "Money",
}
_LIST_PARAMETERS = {"sort", "expand", "fields"}


@dataclass(frozen=True)
class Call:
    """A route, and its operation in the OpenAPI document."""

    route: Route
    operation: Shape

    @property
    def words(self) -> str:
        return f"`{self.route.method} {self.route.path}`"

    @property
    def parameters(self) -> dict[str, Shape]:
        """Those of this call alone, by name."""
        return {p["name"]: p for p in self.operation["parameters"] if "name" in p}

    @property
    def roles(self) -> tuple[str, ...]:
        allowed = self.route.policy.roles
        return tuple(
            "all" if allowed is None else "yes" if role in allowed else "no" for role in _ROLES
        )


def read_code() -> tuple[Shape, list[Call]]:
    """The OpenAPI document and every call, in the order of their paths; opens no connection."""
    app = create_app(Settings(database_url="postgresql:///none", given_secret_key="k" * 32))
    with app.app_context():
        document = openapi.build(ABOUT)
        calls = [
            Call(route, document["paths"][route.path][route.method.lower()]) for route in routes()
        ]
    return document, sorted(calls, key=lambda call: (call.route.path, call.route.method))


def parts(document: Shape, calls: Collection[Call]) -> dict[str, str]:
    """The parts of docs/api.md."""
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    rows = [(call.words, *call.roles) for call in calls]
    resources = [(f"[{tag}](api/{tag}.md)", described[tag]) for tag in _by_resource(calls)]
    return {
        "resources": table(("resource", "is"), *resources),
        "roles": table(("route", *_ROLES), *rows),
    }


def pages(document: Shape, calls: Iterable[Call]) -> dict[str, str]:
    """The pages in docs/api/, by name."""
    return {f"{tag}.md": _page(document, tag, found) for tag, found in _by_resource(calls).items()}


def _by_resource(calls: Iterable[Call]) -> dict[str, list[Call]]:
    """Those under /v1, by tag; the calls of the resource's own path come first."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.route.path.startswith("/v1/"):
            found[call.route.tag].append(call)
    for tag, each in found.items():
        each.sort(key=lambda call: not call.route.path.startswith(f"/v1/{tag}"))
    return dict(sorted(found.items()))


def _page(document: Shape, tag: str, calls: list[Call]) -> str:
    blocks = (
        f"<!-- `make docs` writes this page. -->\n\n# {tag.capitalize()}",
        *_introduction(document, tag),
        "## Calls",
        _calls(document, calls),
        *_details(calls),
        *_fields(document, calls),
        *_lists(calls),
        *_problems(calls),
    )
    return "\n\n".join(blocks) + "\n"


def _introduction(document: Shape, tag: str) -> Iterator[str]:
    for described in document.get("tags", []):
        if described["name"] == tag and "description" in described:
            yield described["description"]
    heading = _RULES.get(tag, tag.capitalize())
    own = ""
    if f"\n## {heading}\n" in (DOCS / "api.md").read_text():
        own = f"[{heading}](../api.md#{heading.lower().replace(' ', '-')}), and "
    yield f"Its rules: {own}those of [every resource](../api.md#every-resource)."


def _calls(document: Shape, calls: Iterable[Call]) -> str:
    rows = [
        (call.words, call.operation["summary"], _body(document, call), _who(call)) for call in calls
    ]
    return table(("call", "what it does", "body", "roles"), *rows)


def _details(calls: Iterable[Call]) -> Iterator[str]:
    """The descriptions, in a list: they are too long for a table."""
    lines = (
        f"- {call.words}: {' '.join(call.operation['description'].split())}"
        for call in calls
        if "description" in call.operation
    )
    yield "\n".join(lines)


def _who(call: Call) -> str:
    return ", ".join(role for role, may in zip(_ROLES, call.roles, strict=True) if may != "no")


def _body(document: Shape, call: Call) -> str:
    name = _body_name(call)
    if not name or name == "Nothing":
        return ""
    if name.endswith("Items"):
        return "`{items}`"
    return "the fields below" if _is_whole(name) else members(named(document, name))


def _is_whole(name: str) -> bool:
    """Whether the body has the fields of the resource."""
    return name.startswith("New") or name.endswith("Patch")


def _body_name(call: Call) -> str:
    content = call.operation.get("requestBody", {}).get("content", {})
    return next((name_of(media["schema"]) for media in content.values()), "")


def _items(call: Call) -> str:
    """The component that a list or a read answers; empty for other calls."""
    for status, answer in call.operation["responses"].items():
        if call.route.method == "GET" and status == "200":
            shape = next(iter(answer["content"].values()))["schema"]
            named_shape = shape["anyOf"][0] if "anyOf" in shape else shape
            return name_of(named_shape).removesuffix("Page") if "$ref" in named_shape else ""
    return ""


def _fields(document: Shape, calls: Collection[Call]) -> Iterator[str]:
    """The fields of what is listed and read, of the other bodies, and of their parts."""
    items = {name: call for call in calls if (name := _items(call))}
    hidden = {
        name: {each.partition(".")[0] for each in _choices(call, "expand")}
        for name, call in items.items()
    }
    for name in items:
        yield f"## Fields of {name}"
        yield fields(document, name, hidden[name])
    names = {_body_name(call): call for call in calls if not _is_whole(_body_name(call))}
    bodies = {name: call for name, call in names.items() if named(document, name).get("properties")}
    for name, call in bodies.items():
        yield f"## Body of {call.words}"
        yield body_fields(document, name)
    yield from _parts(document, items, bodies, hidden)


def _parts(
    document: Shape,
    items: Collection[str],
    bodies: Collection[str],
    hidden: Mapping[str, Collection[str]],
) -> Iterator[str]:
    sent = used_by(document, [*(f"New{name}" for name in items), *bodies])
    for name in dict.fromkeys(sent):
        yield f"## Fields of {name}"
        yield body_fields(document, name)
    received = used_by(document, items, hidden)
    for name in dict.fromkeys(received):
        if name not in sent and name not in items:
            yield f"## Fields of {name}"
            yield fields(document, name)


def _choices(call: Call, parameter: str) -> list[str]:
    found = call.parameters.get(parameter)
    return found["schema"]["items"]["enum"] if found else []


def _lists(calls: Iterable[Call]) -> Iterator[str]:
    """The filters and sorts of each list; of two lists of the same rows, those of the first."""
    first: dict[type, Call] = {}
    for call in calls:
        if call.route.contract.reader is None:
            continue
        shown = first.setdefault(call.route.contract.answer[0], call)
        yield f"## Filters and sorts of {call.words}"
        if shown is call:
            yield _filters(call)
            yield "\n".join(_choices_of_list(call))
        else:
            yield f"As those of {shown.words}, without `{call.route.contract.within}`."


def _filters(call: Call) -> str:
    operators: dict[str, list[str]] = defaultdict(list)
    types: dict[str, str] = {}
    for name, parameter in call.parameters.items():
        if name not in _LIST_PARAMETERS:
            field, _, operator = name.partition("__")
            operators[field].append(operator or "=")
            types.setdefault(field, type_of(parameter["schema"]).partition(",")[0])
    rows = [(f"`{field}`", types[field], code(*found)) for field, found in operators.items()]
    return table(("filter", "type", "operators"), *rows)


def _choices_of_list(call: Call) -> Iterator[str]:
    sorts = [name for name in _choices(call, "sort") if not name.startswith("-")]
    yield f"- `sort`: {code(*sorts)}; with `-` before the name, descending"
    if any(p.get("$ref", "").endswith("/q") for p in call.operation["parameters"]):
        yield "- `q`: a search ([what it searches](../api.md#lists))"
    if expand := [name for name in _choices(call, "expand") if "." not in name]:
        yield f"- `expand`: {code(*expand)}"


def _problems(calls: Iterable[Call]) -> Iterator[str]:
    """Those of single calls: what any call may answer is in docs/api.md."""
    rows = [
        (call.words, code(*(error.code for error in call.route.contract.problems)))
        for call in calls
        if call.route.contract.problems
    ]
    kinds = {error.code for call in calls for error in call.route.contract.problems}
    if rows:
        yield "## Problems"
        yield "Any call may also answer one of [the problems of every call](../api.md#errors)."
        yield table(("problem", "status", "when"), *map(_problem, sorted(kinds)))
        yield table(("call", "its problems"), *rows)


def _problem(code_: str) -> tuple[str, ...]:
    kind = PROBLEM_TYPES[code_]
    return f"`{code_}`", str(kind.status), kind.meaning

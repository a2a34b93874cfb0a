"""A route that is known has the same rule and arguments as werkzeug finds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from app.api import IdConverter
from app.known_routes import KnownRoutes, RouteAdapter

RULES = {
    "/books": ["GET"],
    "/books/<id:book>": ["GET", "DELETE"],
    "/books/<id:book>/pages/<id:page>": ["GET"],
    "/books/all/pages/<id:page>": ["GET"],
    "/shelves/<name>": ["GET"],
    "/shelves/<name>/books/<id:book>": ["GET"],
    "/ids/<uuid:key>": ["GET"],
    "/pages/": ["GET"],
}
ONE, TWO = "01a21e05-d606-72c4-996a-90076f83cf3a", "01a21e05-d606-72c4-996a-90076f83cf3b"
ODD = [ONE.upper(), ONE.replace("-", ""), f"{ONE}{TWO}", f"{ONE}0", f"x{ONE}", "*", "7", "%2f", ""]
PARTS = st.sampled_from(["books", "all", "pages", "shelves", "ids", "gone", ONE, TWO, *ODD])
PATHS = st.lists(PARTS, max_size=4).map(lambda parts: "/" + "/".join(parts)) | st.sampled_from(
    [
        f"/books/{ONE}",
        f"/books/{TWO}",
        f"/books/{ONE}/pages/{TWO}",
        f"/books/{TWO}/pages/{ONE}",
        f"/books/{ONE}/pages/{ONE}",
        f"/books/all/pages/{ONE}",
        f"/books/*/pages/{ONE}",
        f"/shelves/{ONE}/books/{TWO}",
        f"/gone/{ONE}",
    ]
)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["GET", "HEAD", "DELETE", "POST", "get"]), PATHS), max_size=6
)


@settings(deadline=None)
@given(REQUESTS)
def test_it_is_found_as_by_werkzeug(requests: list[tuple[str, str]]) -> None:
    """Each request of a sequence: earlier ones have made routes known."""
    routes, url_map = KnownRoutes(), build_map()
    for method, path in requests:
        adapter = RouteAdapter(
            routes,
            url_map,
            server_name="desk.example",
            script_name="/",
            subdomain="",
            url_scheme="http",
            path_info=path,
            default_method=method,
        )
        usual = url_map.bind("desk.example", path_info=path, default_method=method)
        for _ in range(2):
            assert outcome(adapter) == outcome(usual)
        assert adapter.test(method="GET") == usual.test(method="GET")


def build_map() -> Map:
    rules = [Rule(path, endpoint=path, methods=methods) for path, methods in RULES.items()]
    rules.append(Rule("/gone/<id:book>", endpoint="gone", redirect_to="/books/<book>"))
    return Map(rules, converters={"id": IdConverter}, merge_slashes=False)


def outcome(adapter: Any) -> object:
    try:
        rule, arguments = adapter.match(return_rule=True)
    except HTTPException as error:
        return type(error), str(error), getattr(error, "valid_methods", None)
    return rule, list(arguments.items())


def test_ids_make_no_more_routes_known() -> None:
    """Else clients could fill the memory with them."""
    routes, url_map = KnownRoutes(), build_map()
    for number in range(100):
        path = f"/books/{number:08x}-0000-7000-8000-000000000000"
        match = url_map.bind("desk.example", path_info=path).match(return_rule=True)
        routes.add("GET", path, match)
    for name in ("a", "b", ONE):
        path = f"/shelves/{name}"
        routes.add("GET", path, url_map.bind("", path_info=path).match(return_rule=True))
    assert list(routes._known) == [("GET", "/books/*")]

"""Links: the operations that take the id of a resource that was just created."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.api.kit.components import Shape


def add_links(document: Shape) -> None:
    """Link each operation that creates a resource to all that take its id, in a path or a body."""
    paths = document["paths"]
    for path, methods in paths.items():
        created = methods.get("post", {}).get("responses", {}).get("201")
        name = path.rpartition("/")[2]
        if created is not None and (
            links := {**_in_paths(paths, name), **_in_bodies(document, name)}
        ):
            created["links"] = links


def _in_paths(paths: Shape, name: str) -> Shape:
    return {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"id": "$response.body#/id"},
        }
        for path, methods in paths.items()
        if path.startswith(f"/v1/{name}/{{id}}")
        for operation in methods.values()
    }


def _in_bodies(document: Shape, name: str) -> Shape:
    field = f"{name.removesuffix('s')}_id"
    return {
        f"{operation['operationId']}_of": {
            "operationId": operation["operationId"],
            "requestBody": {field: "$response.body#/id"},
        }
        for path, methods in document["paths"].items()
        if "{id}" not in path and (operation := methods.get("post"))
        if field in _properties(document, operation)
    }


def _properties(document: Shape, operation: Shape) -> Shape:
    shape = operation["requestBody"]["content"]["application/json"]["schema"]
    named: Shape = document["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    return named.get("properties") or {}

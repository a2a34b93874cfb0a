"""Links: what may be done next with what was just made."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def add_links(document: Document) -> None:
    """From what makes a thing to all that takes its id, in the path or in a body."""
    paths = document["paths"]
    for path, methods in paths.items():
        made = methods.get("post", {}).get("responses", {}).get("201")
        name = path.rpartition("/")[2]
        if made is not None and (links := {**_in_paths(paths, name), **_in_bodies(document, name)}):
            made["links"] = links


def _in_paths(paths: Document, name: str) -> Document:
    return {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"id": "$response.body#/id"},
        }
        for path, methods in paths.items()
        if path.startswith(f"/v1/{name}/{{id}}")
        for operation in methods.values()
    }


def _in_bodies(document: Document, name: str) -> Document:
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


def _properties(document: Document, operation: Document) -> Document:
    shape = operation["requestBody"]["content"]["application/json"]["schema"]
    named: Document = document["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    return named.get("properties") or {}

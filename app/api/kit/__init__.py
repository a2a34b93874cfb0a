"""The machinery of routes: access, bodies, lists, OpenAPI. No module here knows a resource.

The product registers with it: routes by `add_routes` and its parts, references by fields of the
class `Reference`, the OpenAPI components of special fields by `ComponentField`, and problem types
by `About`.
"""

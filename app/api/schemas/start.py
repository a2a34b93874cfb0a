from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.fields import describe


class StartSchema(Schema):
    """What this service is, and the paths to go on from `/`."""

    name = fields.String(dump_only=True, metadata=describe("The name of the service.", "Caseload"))
    description = fields.String(
        dump_only=True, metadata=describe("What the service is.", "A support desk")
    )
    documentation = fields.String(
        dump_only=True, metadata=describe("The path of this document's page.", "/docs")
    )
    openapi = fields.String(
        dump_only=True, metadata=describe("The path of this document.", "/openapi.json")
    )
    api = fields.String(
        dump_only=True, metadata=describe("The path under which all resources are.", "/v1")
    )
    live = fields.String(
        dump_only=True, metadata=describe("The path that says whether the process runs.", "/livez")
    )
    ready = fields.String(
        dump_only=True,
        metadata=describe("The path that says whether the service can work.", "/readyz"),
    )
    token = fields.String(
        dump_only=True,
        metadata=describe("The command that creates a token.", "flask tokens create --user EMAIL"),
    )
    tour = fields.String(
        dump_only=True,
        metadata=describe("A guided tour, in the folder of the service.", "docs/tour.md"),
    )

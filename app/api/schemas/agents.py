from __future__ import annotations

from app.api.kit.fields import Boolean, Choice, Id, Reference, Text, Texts, Timestamp, describe
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.domain.agents import MOST_QUEUES, QUEUE, AgentKind


class AgentSchema(DeletableSchema):
    name = Text(
        longest=200, required=True, metadata=describe("The unique name of the agent.", "mail-bot")
    )
    kind = Choice(AgentKind, required=True, metadata=describe("A person or a program."))
    user_id = Reference(
        "users", allow_none=True, metadata=describe("The user whose token claims as this agent.")
    )
    queues = Texts(
        most=MOST_QUEUES,
        longest=64,
        pattern=QUEUE,
        metadata=describe("The queues whose tasks the agent may claim.", ["mail"]),
    )
    is_active = Boolean(
        metadata=describe("Whether the agent may claim tasks and be assigned conversations.")
    )
    last_seen_at = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("When the agent last sent a request; accurate to a minute."),
    )


class AgentDeactivationSchema(StrictSchema):
    reassign_to = Id(
        allow_none=True,
        load_default=None,
        metadata=describe("The agent who gets its conversations and tasks; null for none."),
    )

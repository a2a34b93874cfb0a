from __future__ import annotations

from app.api.kit.fields import Boolean, Choice, Id, Reference, Text, Texts, Timestamp
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.domain.agents import MOST_QUEUES, QUEUE, AgentKind


class AgentSchema(DeletableSchema):
    name = Text(longest=200, required=True)
    kind = Choice(AgentKind, required=True)
    user_id = Reference("users", allow_none=True)
    queues = Texts(most=MOST_QUEUES, longest=64, pattern=QUEUE)
    is_active = Boolean()
    last_seen_at = Timestamp(dump_only=True, allow_none=True)


class AgentDeactivationSchema(StrictSchema):
    reassign_to = Id(allow_none=True, load_default=None)

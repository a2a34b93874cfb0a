"""What may be shown in full beside its id, resource by resource: all that `expand` may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.api.access import ADMINS, READERS, READERS_AND_AGENTS
from app.api.schemas.accounts import AccountSchema
from app.api.schemas.agents import AgentSchema
from app.api.schemas.conversations import ConversationSchema
from app.api.schemas.customers import CustomerSchema
from app.api.schemas.faqs import FaqSchema
from app.api.schemas.messages import MessageSchema
from app.api.schemas.products import ProductSchema
from app.api.schemas.tasks import TaskSchema
from app.api.schemas.todos import TodoSchema
from app.api.schemas.tokens import TokenSchema
from app.api.schemas.transactions import TransactionSchema
from app.api.schemas.users import UserSchema
from app.services import (
    AgentService,
    ConversationService,
    CustomerService,
    ProductService,
    ResourceService,
    TaskService,
    TransactionService,
    UserService,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marshmallow import Schema

    from app.api.schemas.base import ResourceSchema
    from app.domain.actors import Role

DEPTH = 2


class Thing(NamedTuple):
    """What finds it, how it is shown, and who may read it by its own route."""

    kind: type[ResourceService | TransactionService]  # type: ignore[type-arg] # of many models
    schema: type[ResourceSchema]
    readers: frozenset[Role]


AGENT = Thing(AgentService, AgentSchema, READERS)
CONVERSATION = Thing(ConversationService, ConversationSchema, READERS_AND_AGENTS)
CUSTOMER = Thing(CustomerService, CustomerSchema, READERS_AND_AGENTS)
PRODUCT = Thing(ProductService, ProductSchema, READERS_AND_AGENTS)
TASK = Thing(TaskService, TaskSchema, READERS_AND_AGENTS)
TRANSACTION = Thing(TransactionService, TransactionSchema, READERS)
USER = Thing(UserService, UserSchema, ADMINS)

# Each beside the field that is called after it: `customer` beside `customer_id`.
EXPANSIONS: dict[type[Schema], dict[str, Thing]] = {
    AccountSchema: {"customer": CUSTOMER},
    AgentSchema: {"user": USER},
    ConversationSchema: {"customer": CUSTOMER, "assignee": AGENT, "merged_into": CONVERSATION},
    FaqSchema: {"product": PRODUCT},
    MessageSchema: {"conversation": CONVERSATION},
    TaskSchema: {
        "conversation": CONVERSATION,
        "parent": TASK,
        "agent": AGENT,
        "claimed_by": AGENT,
    },
    TodoSchema: {"user": USER, "conversation": CONVERSATION},
    TokenSchema: {"user": USER, "agent": AGENT},
    TransactionSchema: {
        "conversation": CONVERSATION,
        "task": TASK,
        "reverses": TRANSACTION,
        "reversed_by": TRANSACTION,
        "approved_by": USER,
    },
}


def expansions_of(schema: type[Schema]) -> dict[str, Thing]:
    return EXPANSIONS.get(schema, {})


def paths_of(schema: type[Schema], depth: int = DEPTH) -> Iterator[str]:
    """Every value that `expand` takes: `conversation`, `conversation.customer`."""
    for name, thing in expansions_of(schema).items():
        yield name
        if depth > 1:
            yield from (f"{name}.{below}" for below in paths_of(thing.schema, depth - 1))

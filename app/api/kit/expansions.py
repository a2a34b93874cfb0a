"""What may be shown in full beside its id, resource by resource: all that `expand` may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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
    Reads,
    TaskService,
    TransactionService,
    UserService,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marshmallow import Schema

    from app.api.kit.schemas import ResourceSchema

DEPTH = 2


class Expansion(NamedTuple):
    """The service that finds it, and how it is shown. Its `readers` may expand it."""

    kind: type[Reads[Any]]
    schema: type[ResourceSchema]


AGENT = Expansion(AgentService, AgentSchema)
CONVERSATION = Expansion(ConversationService, ConversationSchema)
CUSTOMER = Expansion(CustomerService, CustomerSchema)
PRODUCT = Expansion(ProductService, ProductSchema)
TASK = Expansion(TaskService, TaskSchema)
TRANSACTION = Expansion(TransactionService, TransactionSchema)
USER = Expansion(UserService, UserSchema)

# Each beside the field that is called after it: `customer` beside `customer_id`.
EXPANSIONS: dict[type[Schema], dict[str, Expansion]] = {
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


def expansions_of(schema: type[Schema]) -> dict[str, Expansion]:
    return EXPANSIONS.get(schema, {})


def paths_of(schema: type[Schema], depth: int = DEPTH) -> Iterator[str]:
    """Every value that `expand` takes: `conversation`, `conversation.customer`."""
    for name, thing in expansions_of(schema).items():
        yield name
        if depth > 1:
            yield from (f"{name}.{below}" for below in paths_of(thing.schema, depth - 1))

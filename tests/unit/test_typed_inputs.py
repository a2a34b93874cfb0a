"""The dataclasses that services take have the fields of the schemas that read them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

import pytest

from app.api.schemas.accounts import AccountPatchSchema, AccountSchema
from app.api.schemas.conversation_batches import BulkAssignmentSchema, BulkResolutionSchema
from app.api.schemas.conversations import NewConversationSchema, ResolutionSchema
from app.api.schemas.messages import FirstMessageSchema, LastMessageSchema, MessageSchema
from app.api.schemas.tasks import FirstTaskSchema, TaskOfConversationSchema, TaskSchema
from app.api.schemas.tokens import TokenSchema
from app.api.schemas.transactions import EntrySchema, RefundSchema, TransactionSchema
from app.domain.accounts import AccountChanges, NewAccount
from app.domain.conversations import BatchAssignment, ConversationBatch, NewConversation, Resolution
from app.domain.messages import NewMessage
from app.domain.tasks import NewTask, TaskCompletion
from app.domain.tokens import NewToken
from app.domain.transactions import Leg, NewTransaction, Refund

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from marshmallow import Schema

PAIRS = [
    (AccountSchema, NewAccount),
    (BulkAssignmentSchema, BatchAssignment),
    (BulkResolutionSchema, ConversationBatch),
    (EntrySchema, Leg),
    (FirstMessageSchema, NewMessage),
    (FirstTaskSchema, NewTask),
    (LastMessageSchema, NewMessage),
    (MessageSchema, NewMessage),
    (NewConversationSchema, NewConversation),
    (RefundSchema, Refund),
    (ResolutionSchema, Resolution),
    (TaskOfConversationSchema, TaskCompletion),
    (TaskSchema, NewTask),
    (TokenSchema, NewToken),
    (TransactionSchema, NewTransaction),
]


@pytest.mark.parametrize(("schema", "makes"), PAIRS)
def test_each_field_of_a_body_is_one_of_the_dataclass(
    schema: type[Schema], makes: type[DataclassInstance]
) -> None:
    """A field that the dataclass lacks would be an internal error for whoever sends it."""
    known = {field.name for field in fields(makes)}
    assert {field.attribute or name for name, field in schema().load_fields.items()} <= known


@pytest.mark.parametrize(("schema", "makes"), PAIRS)
def test_the_dataclass_requires_only_what_the_body_requires(
    schema: type[Schema], makes: type[DataclassInstance]
) -> None:
    required = {
        field.name
        for field in fields(makes)
        if field.default is MISSING and field.default_factory is MISSING
    }
    assert required <= {name for name, field in schema().load_fields.items() if field.required}


def test_the_changes_of_an_account_are_the_fields_of_its_patch() -> None:
    assert AccountPatchSchema().load_fields.keys() == AccountChanges.__annotations__.keys()

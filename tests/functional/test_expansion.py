"""What a client asks to be shown: objects in full next to their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.api.kit.access import policy_of
from app.api.kit.contract import repository_of
from app.api.kit.expansions import Expansion, expansions_of, paths_of
from app.api.kit.fields import Reference
from app.api.kit.schemas import ResourceSchema
from app.api.schemas.accounts import AccountSchema
from app.api.schemas.agents import AgentSchema
from app.api.schemas.conversations import ConversationSchema
from app.api.schemas.faqs import FaqSchema
from app.api.schemas.messages import MessageSchema
from app.api.schemas.tasks import TaskSchema
from app.api.schemas.todos import TodoSchema
from app.api.schemas.tokens import TokenSchema
from app.api.schemas.transactions import TransactionSchema
from tests.client import Client, codes, problem
from tests.expansion import (
    AGENTS,
    CONVERSATIONS,
    CUSTOMERS,
    TASKS,
    create_conversation,
    create_task,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Sql = Callable[..., list[tuple[Any, ...]]]
    Hire = Callable[..., Client]
    Body = dict[str, Any]


SCHEMAS = {
    "accounts": AccountSchema,
    "agents": AgentSchema,
    "conversations": ConversationSchema,
    "faqs": FaqSchema,
    "messages": MessageSchema,
    "tasks": TaskSchema,
    "todos": TodoSchema,
    "tokens": TokenSchema,
    "transactions": TransactionSchema,
}


# expand


def test_a_read_shows_in_full_what_it_names(staff: Client, ann: Body, bea: Body) -> None:
    """As its own GET does, beside the id; all else is as without."""
    talk = create_conversation(staff, ann, assignee_id=bea["id"])
    found = staff.get(f"{CONVERSATIONS}/{talk['id']}?expand=customer,assignee").json
    assert found == {**talk, "customer": ann, "assignee": bea}
    assert found["customer"] == staff.get(f"{CUSTOMERS}/{ann['id']}").json


def test_a_list_shows_in_full_what_it_names(staff: Client, ann: Body, bea: Body) -> None:
    """Of each item its own, null where it has none."""
    zoe = staff.create(CUSTOMERS, {"reference": "C-2", "name": "Zoe"})
    talks = [
        create_conversation(staff, ann, assignee_id=bea["id"]),
        create_conversation(staff, zoe),
        create_conversation(staff, ann),
    ]
    found = staff.get(f"{CONVERSATIONS}?sort=number&expand=customer,assignee").json["items"]
    assert found == [
        {**talk, "customer": customer, "assignee": assignee}
        for talk, customer, assignee in zip(talks, [ann, zoe, ann], [bea, None, None], strict=True)
    ]


def test_two_levels_are_one_name(staff: Client, ann: Body, bea: Body) -> None:
    """The upper one is shown too; whether it is named besides makes no difference."""
    talk = create_conversation(staff, ann, assignee_id=bea["id"])
    task = create_task(staff, conversation_id=talk["id"])
    path = f"{TASKS}/{task['id']}?expand="
    deep = staff.get(f"{path}conversation.customer,conversation.assignee").json
    assert deep == {**task, "conversation": {**talk, "customer": ann, "assignee": bea}}
    assert staff.get(f"{path}conversation.customer,conversation").json == {
        **task,
        "conversation": {**talk, "customer": ann},
    }


def test_every_resource_expands_what_it_refers_to(admin: Client, ann: Body, bea: Body) -> None:
    """Each name that there is, on one thing that has it."""
    talk = create_conversation(admin, ann)
    above = create_task(admin)
    task = create_task(admin, conversation_id=talk["id"], parent_id=above["id"], agent_id=bea["id"])
    todo = admin.create("/v1/todos", {"description": "x", "conversation_id": talk["id"]})
    price = {"amount": "1.00", "currency": "GBP"}
    product = admin.create("/v1/products", {"sku": "S", "name": "P", "price": price})
    faq = admin.create("/v1/faqs", {"question": "Q", "answer": "A", "product_id": product["id"]})
    hello = admin.create(
        f"{CONVERSATIONS}/{talk['id']}/messages", {"direction": "note", "body": "x"}
    )
    account = {"name": "Main", "currency": "GBP"}
    own = admin.create("/v1/accounts", account)
    theirs = admin.create("/v1/accounts", {**account, "customer_id": ann["id"]})
    entries = [
        {"account_id": own["id"], "amount": {"amount": "-1.00", "currency": "GBP"}},
        {"account_id": theirs["id"], "amount": price},
    ]
    made = admin.create(
        "/v1/transactions",
        {"entries": entries, "conversation_id": talk["id"], "task_id": task["id"]},
    )
    undone = admin.create(f"/v1/transactions/{made['id']}/reverse", None)
    person = admin.create(AGENTS, {"name": "Cy", "kind": "human", "user_id": admin.user_id})
    merged = create_conversation(admin, ann, assignee_id=bea["id"])
    admin.post(f"{CONVERSATIONS}/{merged['id']}/merge", {"into": talk["id"]})
    read = {
        f"{CONVERSATIONS}/{merged['id']}": ("customer", "assignee", "merged_into"),
        f"/v1/todos/{todo['id']}": ("user", "conversation"),
        f"/v1/faqs/{faq['id']}": ("product",),
        f"/v1/messages/{hello['id']}": ("conversation",),
        f"/v1/accounts/{theirs['id']}": ("customer",),
        f"{TASKS}/{task['id']}": ("conversation", "parent", "agent"),
        f"/v1/transactions/{made['id']}": ("conversation", "task", "reversed_by"),
        f"/v1/transactions/{undone['id']}": ("reverses",),
        f"{AGENTS}/{person['id']}": ("user",),
        f"/v1/tokens/{admin.token_id}": ("user",),
    }
    for path, names in read.items():
        every = expansions_of(SCHEMAS[path.split("/")[2]])
        found = admin.get(f"{path}?expand={','.join(every)}").json
        assert {name for name in every if found[name]} >= set(names), path
        for name in every:
            assert (found[name] or {}).get("id") == found[f"{name}_id"], (path, name)


def test_what_is_deleted_is_in_no_expansion(admin: Client, ann: Body, sql: Sql) -> None:
    """Not even in an admin's, though they are shown what was deleted; its id stays."""
    talk = create_conversation(admin, ann)
    sql("UPDATE customers SET deleted_at = now() WHERE id = %s", ann["id"])
    for query in ("expand=customer", "expand=customer&include_deleted=true"):
        found = admin.get(f"{CONVERSATIONS}/{talk['id']}?{query}").json
        assert (found["customer_id"], found["customer"]) == (ann["id"], None)


def test_only_admins_are_shown_deleted_at(admin: Client, viewer: Client, ann: Body) -> None:
    """Inside an expansion as anywhere else."""
    path = f"{CONVERSATIONS}/{create_conversation(admin, ann)['id']}?expand=customer"
    assert admin.get(path).json["customer"]["deleted_at"] is None
    assert "deleted_at" not in viewer.get(path).json["customer"]


@pytest.mark.parametrize(
    "expand",
    [
        "",
        ",",
        "customer,",
        "customers",
        "customer_id",
        "subject",
        "customer,customer",
        "customer.",
        "customer.accounts",
        "merged_into.merged_into.customer",
        "customer ",
        "__class__",
    ],
)
def test_what_is_not_on_the_list_is_refused(staff: Client, ann: Body, expand: str) -> None:
    """Unknown, repeated or too deep: 400, on a list and on a read, whether it is there or not."""
    for path in (CONVERSATIONS, f"{CONVERSATIONS}/{ann['id']}"):
        answer = staff.get(f"{path}?expand={expand}")
        assert problem(answer) == (400, "invalid-parameter")
        assert codes(answer) == {"expand": "invalid-parameter"}


def test_nothing_but_reads_and_lists_is_asked_so(staff: Client, ann: Body) -> None:
    """A write answers what it wrote."""
    path = f"{CONVERSATIONS}/{create_conversation(staff, ann)['id']}"
    for query in ("expand=customer", "fields=id"):
        assert staff.patch(f"{path}?{query}", {}).status_code == 400
        assert staff.post(f"{path}/close?{query}").status_code == 400
        assert staff.get(f"/v1/me?{query}").status_code == 400


# Roles


def test_users_are_expanded_for_admins_alone(admin: Client, staff: Client) -> None:
    """What somebody may read nowhere else is 403 here too, on every level."""
    todo = staff.create("/v1/todos", {"description": "x"})
    path = f"/v1/todos/{todo['id']}?expand=user"
    assert admin.get(path).json["user"]["id"] == staff.user_id
    for refused in (path, "/v1/todos?expand=user", f"{CONVERSATIONS}?expand=assignee.user"):
        assert problem(staff.get(refused)) == (403, "forbidden")


def test_an_expansion_is_for_whom_its_own_route_is_for(app: Flask) -> None:
    """The roles of `GET /v1/things/{id}`, thing by thing."""
    with app.app_context():
        expandable = {one for schema in SCHEMAS.values() for one in expansions_of(schema).values()}
        assert len(expandable) == 7
        for expansion in expandable:
            policy = policy_of(f"{_noun(expansion)}.{_noun(expansion)}_read")
            assert policy is not None
            assert policy.roles == expansion.kind.readers


def _noun(expansion: Expansion) -> str:
    name: str = repository_of(expansion.kind).model.__tablename__
    return name


def test_a_reference_to_a_resource_without_routes_is_an_error() -> None:
    """It names the field: the resource is misspelt, or its routes are missing."""

    class LetterSchema(ResourceSchema):
        box_id = Reference("boxes")

    with pytest.raises(LookupError, match=r"LetterSchema\.box_id refers to 'boxes'"):
        expansions_of(LetterSchema)


def test_an_agent_is_shown_what_it_may_read(staff: Client, hire: Hire, ann: Body) -> None:
    """The conversation of its open task and its customer; of a sibling's only that there is one."""
    bot = hire()
    talk, other = create_conversation(staff, ann), create_conversation(staff, ann)
    above = create_task(staff, conversation_id=other["id"])
    task = create_task(
        staff, conversation_id=talk["id"], parent_id=above["id"], agent_id=bot.user_id
    )
    found = bot.get(f"{TASKS}/{task['id']}?expand=conversation.customer,parent.conversation").json
    assert found["conversation"] == {**talk, "customer": ann}
    assert found["parent"] == {**staff.get(f"{TASKS}/{above['id']}").json, "conversation": None}
    assert bot.get(f"{CONVERSATIONS}/{other['id']}").status_code == 403
    assert bot.get(f"{TASKS}/{task['id']}?expand=agent").status_code == 403


def test_an_agent_is_shown_no_more_once_its_task_is_over(
    staff: Client, hire: Hire, ann: Body
) -> None:
    """The task stays its own, the conversation does not."""
    bot = hire()
    talk = create_conversation(staff, ann)
    task = create_task(staff, conversation_id=talk["id"])
    (claimed,) = bot.post(f"{TASKS}/claim").json["items"]
    path = f"{TASKS}/{task['id']}?expand=conversation"
    assert bot.get(path).json["conversation"]["id"] == talk["id"]
    lease = {"lease_token": claimed["lease_token"], "output": None}
    assert bot.post(f"{TASKS}/{task['id']}/complete", lease).status_code == 200
    assert bot.get(path).json["conversation"] is None


# The document


def test_the_document_tells_what_may_be_asked(anonymous: Client) -> None:
    """Every name by itself and below another; a resource that refers to nothing has no `expand`."""
    paths = anonymous.get("/openapi.json").json["paths"]
    reported = _enums(paths["/v1/tasks"]["get"])
    assert reported["expand"] == list(paths_of(TaskSchema))
    assert {"parent", "parent.parent", "conversation.customer"} <= set(reported["expand"])
    assert {"id", "input", "metadata"} <= set(reported["fields"])
    assert _enums(paths["/v1/tasks/{id}"]["get"]) == reported
    assert _enums(paths["/v1/customers"]["get"]).keys() == {"fields"}
    assert _enums(paths["/v1/tasks"]["post"]) == {}


def _enums(operation: Body) -> dict[str, list[str]]:
    return {
        parameter["name"]: parameter["schema"]["items"]["enum"]
        for parameter in operation["parameters"]
        if parameter.get("name") in ("expand", "fields")
    }


def test_no_expansion_hides_a_field() -> None:
    """Each has its id beside it, under its own name."""
    for schema in SCHEMAS.values():
        fields = schema().fields
        for name in expansions_of(schema):
            assert name not in fields
            assert f"{name}_id" in fields

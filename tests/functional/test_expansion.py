"""What a client asks to be shown: things in full beside their ids, and some fields alone."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import psycopg2
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
from app.db import Database
from app.repositories import CustomerRepository
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from app.db.testing import RoundTrips

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
CUSTOMERS, AGENTS, TASKS = "/v1/customers", "/v1/agents", "/v1/tasks"
CONVERSATIONS = "/v1/conversations"


@pytest.fixture
def ann(staff: Client) -> Body:
    return staff.create(CUSTOMERS, {"reference": "C-1", "name": "Ann"})


@pytest.fixture
def bea(staff: Client) -> Body:
    """An agent."""
    return staff.create(AGENTS, {"name": "Bea", "kind": "human", "queues": ["work"]})


def _talk(staff: Client, customer: Body, **values: Any) -> Body:
    body = {"customer_id": customer["id"], "subject": "Help", "channel": "email", **values}
    return staff.create(CONVERSATIONS, body)


def _task(staff: Client, **values: Any) -> Body:
    return staff.create(TASKS, {"kind": "reply", "queue": "work", **values})


# expand


def test_a_read_shows_in_full_what_it_names(staff: Client, ann: Body, bea: Body) -> None:
    """As its own GET does, beside the id; all else is as without."""
    talk = _talk(staff, ann, assignee_id=bea["id"])
    found = staff.get(f"{CONVERSATIONS}/{talk['id']}?expand=customer,assignee").json
    assert found == {**talk, "customer": ann, "assignee": bea}
    assert found["customer"] == staff.get(f"{CUSTOMERS}/{ann['id']}").json


def test_a_list_shows_in_full_what_it_names(staff: Client, ann: Body, bea: Body) -> None:
    """Of each item its own, null where it has none."""
    zoe = staff.create(CUSTOMERS, {"reference": "C-2", "name": "Zoe"})
    talks = [_talk(staff, ann, assignee_id=bea["id"]), _talk(staff, zoe), _talk(staff, ann)]
    found = staff.get(f"{CONVERSATIONS}?sort=number&expand=customer,assignee").json["items"]
    assert found == [
        {**talk, "customer": customer, "assignee": assignee}
        for talk, customer, assignee in zip(talks, [ann, zoe, ann], [bea, None, None], strict=True)
    ]


def test_two_levels_are_one_name(staff: Client, ann: Body, bea: Body) -> None:
    """The upper one is shown too; whether it is named besides makes no difference."""
    talk = _talk(staff, ann, assignee_id=bea["id"])
    task = _task(staff, conversation_id=talk["id"])
    path = f"{TASKS}/{task['id']}?expand="
    deep = staff.get(f"{path}conversation.customer,conversation.assignee").json
    assert deep == {**task, "conversation": {**talk, "customer": ann, "assignee": bea}}
    assert staff.get(f"{path}conversation.customer,conversation").json == {
        **task,
        "conversation": {**talk, "customer": ann},
    }


def test_every_resource_expands_what_it_refers_to(admin: Client, ann: Body, bea: Body) -> None:
    """Each name that there is, on one thing that has it."""
    talk = _talk(admin, ann)
    above = _task(admin)
    task = _task(admin, conversation_id=talk["id"], parent_id=above["id"], agent_id=bea["id"])
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
    merged = _talk(admin, ann, assignee_id=bea["id"])
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
    talk = _talk(admin, ann)
    sql("UPDATE customers SET deleted_at = now() WHERE id = %s", ann["id"])
    for query in ("expand=customer", "expand=customer&include_deleted=true"):
        found = admin.get(f"{CONVERSATIONS}/{talk['id']}?{query}").json
        assert (found["customer_id"], found["customer"]) == (ann["id"], None)


def test_only_admins_are_shown_deleted_at(admin: Client, viewer: Client, ann: Body) -> None:
    """Inside an expansion as anywhere else."""
    path = f"{CONVERSATIONS}/{_talk(admin, ann)['id']}?expand=customer"
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
    path = f"{CONVERSATIONS}/{_talk(staff, ann)['id']}"
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
    talk, other = _talk(staff, ann), _talk(staff, ann)
    above = _task(staff, conversation_id=other["id"])
    task = _task(staff, conversation_id=talk["id"], parent_id=above["id"], agent_id=bot.user_id)
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
    talk = _talk(staff, ann)
    task = _task(staff, conversation_id=talk["id"])
    (claimed,) = bot.post(f"{TASKS}/claim").json["items"]
    path = f"{TASKS}/{task['id']}?expand=conversation"
    assert bot.get(path).json["conversation"]["id"] == talk["id"]
    lease = {"lease_token": claimed["lease_token"], "output": None}
    assert bot.post(f"{TASKS}/{task['id']}/complete", lease).status_code == 200
    assert bot.get(path).json["conversation"] is None


# Statements


def test_a_name_costs_one_statement_however_many_items(
    staff: Client, ann: Body, bea: Body, round_trips: RoundTrips
) -> None:
    """Fifty items as one, two levels deep; and a read as a list."""
    query = "limit=100&expand=conversation.customer,conversation.assignee,parent,agent"
    costs = []
    for count in (1, 49):
        for _ in range(count):
            talk = _talk(staff, ann, assignee_id=bea["id"])
            above = _task(staff)
            _task(
                staff,
                kind="x",
                conversation_id=talk["id"],
                parent_id=above["id"],
                agent_id=bea["id"],
            )
        round_trips.clear()
        items = staff.get(f"{TASKS}?kind=x&{query}").json["items"]
        assert all(item["conversation"]["customer"] and item["agent"] for item in items)
        costs.append(len(round_trips.take()))
    assert len(items) == 50
    assert costs == [7, 7]  # with the COMMIT of the snapshot
    staff.get(f"{TASKS}/{items[0]['id']}?expand=conversation.customer,parent")
    assert len(round_trips) == 5


def test_an_agents_list_costs_no_more_for_more_items(
    staff: Client, hire: Hire, ann: Body, round_trips: RoundTrips
) -> None:
    """What it may see is asked once for all of them."""
    bot = hire()
    bot.get("/v1/me")  # the token is known from here on
    above = _task(staff, agent_id=bot.user_id)
    path = f"{TASKS}/{above['id']}/subtasks?limit=100&expand=conversation.customer"
    costs = []
    for count in (1, 20):
        for _ in range(count):
            talk = _talk(staff, ann)
            _task(
                staff,
                parent_id=above["id"],
                conversation_id=talk["id"],
                agent_id=bot.user_id,
            )
        round_trips.clear()
        items = bot.get(path).json["items"]
        assert all(item["conversation"]["customer"]["id"] == ann["id"] for item in items)
        costs.append(len(round_trips.take()))
    assert len(items) == 21
    assert costs == [8, 8]


def test_a_read_without_expansions_is_one_message(
    staff: Client, ann: Body, round_trips: RoundTrips
) -> None:
    """A snapshot is only for answers that are read by several statements."""
    talk = _talk(staff, ann)
    round_trips.clear()
    staff.get(f"{CONVERSATIONS}/{talk['id']}")
    staff.get(f"{CONVERSATIONS}?fields=id")
    assert len(round_trips) == 2


def test_where_there_is_nothing_to_expand_nothing_is_opened(
    staff: Client, ann: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One unit of work, and no block in it for a conversation without an assignee."""
    talk = _talk(staff, ann)
    opened: list[str] = []
    open_unit = Database._unit

    def counted(self: Database, mode: Any) -> Any:
        opened.append("unit")
        return open_unit(self, mode)

    monkeypatch.setattr(Database, "_unit", counted)
    counts = []
    for names in ("customer", "customer,assignee", "customer,assignee,merged_into"):
        opened.clear()
        assert staff.get(f"{CONVERSATIONS}/{talk['id']}?expand={names}").json["customer"]
        counts.append(len(opened))
    assert counts == [3, 3, 3]  # the snapshot; joined by the conversation and the customer


@pytest.mark.parametrize("path", [f"{CONVERSATIONS}/%s", f"{CONVERSATIONS}?number__gte=1"])
def test_an_item_and_what_is_expanded_are_of_one_moment(
    staff: Client,
    ann: Body,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """A change that commits between the two statements is in neither of them."""
    talk = _talk(staff, ann)
    by_id = CustomerRepository.by_id

    def renamed_first(*arguments: Any) -> Any:
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
            cursor.execute("UPDATE customers SET name = 'Renamed'")
            cursor.execute("UPDATE conversations SET subject = 'Renamed'")
            other.commit()
        return by_id(*arguments)

    monkeypatch.setattr(CustomerRepository, "by_id", renamed_first)
    asked = path.replace("%s", talk["id"])
    answer = staff.get(f"{asked}{'&' if '?' in asked else '?'}expand=customer").json
    item = answer["items"][0] if "items" in answer else answer
    assert (item["subject"], item["customer"]["name"]) == ("Help", ann["name"])
    assert staff.get(f"{CONVERSATIONS}/{talk['id']}").json["subject"] == "Renamed"


# fields


def test_named_fields_are_shown_alone(staff: Client, ann: Body) -> None:
    """On a read and on a list, exactly those, in whatever order they are named."""
    talk = _talk(staff, ann)
    wanted = {"id": talk["id"], "subject": "Help"}
    assert staff.get(f"{CONVERSATIONS}/{talk['id']}?fields=subject,id").json == wanted
    assert staff.get(f"{CONVERSATIONS}?fields=id,subject").json["items"] == [wanted]
    assert staff.get(f"{CONVERSATIONS}?fields=subject").json["items"] == [{"subject": "Help"}]


def test_what_is_expanded_is_shown_whatever_the_fields(staff: Client, ann: Body) -> None:
    """It may be named among them, and need not; below it nothing is left out."""
    path = f"{CONVERSATIONS}/{_talk(staff, ann)['id']}"
    for fields in ("subject", "subject,customer"):
        found = staff.get(f"{path}?expand=customer&fields={fields}").json
        assert found == {"subject": "Help", "customer": ann}


@pytest.mark.parametrize(
    "fields", ["", ",", "id,", "id,id", "customer", "nope", "customer.name", "message", "ID"]
)
def test_fields_that_are_none_are_refused(staff: Client, fields: str) -> None:
    """Unknown, repeated, not expanded, or of requests alone."""
    answer = staff.get(f"{CONVERSATIONS}?fields={fields}")
    assert problem(answer) == (400, "invalid-parameter")
    assert codes(answer) == {"fields": "invalid-parameter"}


def test_deleted_at_is_the_admins(admin: Client, viewer: Client, ann: Body) -> None:
    """To others it is in no answer, though they name it."""
    path = f"{CUSTOMERS}/{ann['id']}?fields=deleted_at"
    assert admin.get(path).json == {"deleted_at": None}
    assert viewer.get(path).json == {}


def test_every_list_takes_fields(admin: Client, staff: Client, ann: Body) -> None:
    """Also those that are no resources of their own."""
    talk = _talk(admin, ann, message={"body": "Hello?"})
    task = _task(admin)
    staff.create("/v1/accounts", {"name": "x", "currency": "GBP", "customer_id": ann["id"]})
    for path in (
        "/v1/users",
        "/v1/tokens",
        "/v1/events",
        f"{CUSTOMERS}/{ann['id']}/accounts",
        f"{CUSTOMERS}/{ann['id']}/conversations",
        f"{CONVERSATIONS}/{talk['id']}/messages",
    ):
        items = admin.get(f"{path}?fields=id").json["items"]
        assert items
        assert all(item.keys() == {"id"} for item in items)
    attempts = f"{TASKS}/{task['id']}/attempts"
    assert admin.get(f"{attempts}?fields=number,outcome").json["items"] == []
    assert problem(admin.get(f"{attempts}?fields=id")) == (400, "invalid-parameter")


# ETags and cursors


def test_an_etag_is_of_what_was_shown(staff: Client, ann: Body) -> None:
    """The plain one is the version; one that shows more or less is no other's."""
    path = f"{CONVERSATIONS}/{_talk(staff, ann)['id']}"
    urls = [path, f"{path}?expand=customer", f"{path}?fields=id", f"{path}?fields=id,subject"]
    tags = [staff.get(url).headers["ETag"] for url in urls]
    assert tags[0] == '"1:0"'
    assert len(set(tags)) == len(tags)
    for url in urls:
        for other, tag in zip(urls, tags, strict=True):
            expected = 304 if url == other else 200
            assert staff.get(url, if_none_match=tag).status_code == expected
        assert staff.get(url, if_none_match="*").status_code == 304


def test_an_expanded_thing_that_changes_changes_the_etag(staff: Client, ann: Body) -> None:
    """304 would be a lie, though the version is the same."""
    path = f"{CONVERSATIONS}/{_talk(staff, ann)['id']}?expand=customer"
    tag = staff.get(path).headers["ETag"]
    assert staff.get(path, if_none_match=tag).status_code == 304
    staff.patch(f"{CUSTOMERS}/{ann['id']}", {"name": "Anne"})
    again = staff.get(path, if_none_match=tag)
    assert (again.status_code, again.json["customer"]["name"]) == (200, "Anne")


def test_any_etag_says_which_version_to_change(staff: Client, ann: Body) -> None:
    """What was read with `expand` or `fields` may be written on the condition that it stayed."""
    path = f"{CONVERSATIONS}/{_talk(staff, ann)['id']}"
    for query in ("expand=customer", "fields=subject"):
        tag = staff.get(f"{path}?{query}").headers["ETag"]
        assert staff.get(f"{path}?{query}", if_match=tag).status_code == 200
        changed = staff.patch(path, {"subject": f"By {query}"}, if_match=tag)
        assert changed.status_code == 200
        assert staff.patch(path, {"subject": "No"}, if_match=tag).status_code == 412


def test_an_account_says_its_balance_in_every_etag(staff: Client, ann: Body) -> None:
    """In that of a part of it too, where it is shown."""
    account = {"name": "Main", "currency": "GBP", "customer_id": ann["id"]}
    path = f"/v1/accounts/{staff.create('/v1/accounts', account)['id']}?fields=balance"
    answer = staff.get(path)
    assert answer.json == {"balance": {"amount": "0.00", "currency": "GBP"}}
    assert staff.get(path, if_none_match=answer.headers["ETag"]).status_code == 304


def test_the_next_page_may_show_something_else(staff: Client, ann: Body) -> None:
    """A cursor belongs to sort and filters alone; `Link` keeps what was asked for."""
    talks = [_talk(staff, ann) for _ in range(3)]
    first = staff.get(f"{CONVERSATIONS}?sort=number&limit=1&expand=customer&fields=number,customer")
    cursor = first.json["next_cursor"]
    following = staff.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert following.json["items"] == [{"number": talks[1]["number"], "customer": ann}]
    assert "expand=customer&fields=number,customer" in unquote(first.headers["Link"])
    plain = staff.get(f"{CONVERSATIONS}?sort=number&limit=1&cursor={cursor}").json
    assert plain["items"] == [talks[1]]


# The document


def test_the_document_tells_what_may_be_asked(anonymous: Client) -> None:
    """Every name by itself and below another; a resource that refers to nothing has no `expand`."""
    paths = anonymous.get("/openapi.json").json["paths"]
    told = _enums(paths["/v1/tasks"]["get"])
    assert told["expand"] == list(paths_of(TaskSchema))
    assert {"parent", "parent.parent", "conversation.customer"} <= set(told["expand"])
    assert {"id", "input", "metadata"} <= set(told["fields"])
    assert _enums(paths["/v1/tasks/{id}"]["get"]) == told
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

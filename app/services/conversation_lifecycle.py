"""What is done with conversations: opened, assigned, snoozed, resolved and so on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.db import retry
from app.db.errors import Conflict, Invalid, Mistake, UnknownReference
from app.domain.agents import ASSIGNED
from app.domain.conversations import ConversationStatus, Direction, check_conversation_action
from app.domain.messages import ExternalIdReused
from app.domain.transactions import NewTransaction, TransactionKind
from app.errors import AlreadyExists
from app.repositories import ConversationRepository, TaskRepository
from app.services.agents import AgentService
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, WRITERS, allowed
from app.services.messages import MessageService
from app.services.task_queue import TaskQueueService
from app.services.tasks import TaskService
from app.services.transactions import TransactionService

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from uuid import UUID

    from sqlalchemy.orm import Session

    from app.models import Conversation

_WOKEN_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class ConversationLifecycle(Service):
    """Each call is one unit of work, whatever else it touches; with `expected`, as in `update`."""

    repository: ConversationRepository = ConversationRepository()
    tasks: TaskRepository = TaskRepository()

    @allowed(WRITERS)
    @retry
    def open(
        self,
        values: Mapping[str, Any],
        *,
        message: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
    ) -> tuple[Conversation, bool]:
        """A new conversation with its first message and a task for it; and whether it is new.

        A message that was delivered before leads to the conversation that it is in. Raises
        ExternalIdReused.
        """
        if message is not None:
            message = {"direction": Direction.INBOUND, **message}
        with self.database.session() as session:
            if message is None or message.get("external_id") is None:
                return self._open(values, message, task), True
            if (known := self._known(session, values, message)) is not None:
                return known, False
            try:
                with self.database.savepoint():
                    return self._open(values, message, task), True
            except AlreadyExists:  # somebody was faster
                known = self._known(session, values, message)
                if known is None:
                    raise
                return known, False

    @allowed(WRITERS)
    @retry
    def assign(
        self,
        key: UUID,
        agent_id: UUID | None,
        *,
        reason: str | None = None,
        expected: Collection[int] | None = None,
    ) -> Conversation:
        """To an agent, or to nobody. From a person to a program, or back, it is handed off."""
        with self.database.session() as session:
            try:  # the agent is locked before the conversation, as everywhere
                if agent_id is not None:
                    agents = self.related(AgentService)
                    agents.check_active(session.connection(), agent_id, "agent_id")
            except Invalid:
                self._checked(session, key, "assign")  # that it is not there is told first
                raise
            conversation = self._checked(session, key, "assign", expected)
            values = {"assignee_id": agent_id, "assignment_reason": reason}
            self._conversations.apply(session, conversation, values, action=ASSIGNED)
            return conversation

    @allowed(WRITERS)
    @retry
    def snooze(
        self, key: UUID, until: datetime, *, expected: Collection[int] | None = None
    ) -> Conversation:
        with self.database.session() as session:
            conversation = self._checked(session, key, "snooze", expected)
            if until <= datetime.now(UTC):
                raise Invalid([Mistake(("until",), "range", "It must be in the future.")])
            status = ConversationStatus.SNOOZED
            self._conversations.move(
                session, conversation, status, action="snoozed", snoozed_until=until
            )
            return conversation

    @allowed(WRITERS)
    @retry
    def resolve(
        self,
        key: UUID,
        *,
        message: Mapping[str, Any] | None = None,
        refund: Mapping[str, Any] | None = None,
        complete_task: Mapping[str, Any] | None = None,
        expected: Collection[int] | None = None,
    ) -> Conversation:
        """With a last word to the customer, with the task that it was about completed, and with
        money given back: a transaction that names the two."""
        with self.database.session() as session:
            conversation = self._checked(session, key, "resolve", expected)
            effect = {} if message is None else self._say(session, conversation, message)
            if complete_task is not None:
                named = (complete_task[name] for name in ("id", "lease_token", "output"))
                self._complete(session, key, *named)
            if refund is not None:
                task_id = None if complete_task is None else complete_task["id"]
                about = {"conversation_id": key, "task_id": task_id}
                self._refund(session, {**about, **refund})
            status = ConversationStatus.RESOLVED
            self._conversations.move(session, conversation, status, action="resolved", **effect)
            return conversation

    @allowed(WRITERS)
    @retry
    def reopen(self, key: UUID, *, expected: Collection[int] | None = None) -> Conversation:
        return self._move(key, "reopen", ConversationStatus.OPEN, "reopened", expected)

    @allowed(WRITERS)
    @retry
    def close(self, key: UUID, *, expected: Collection[int] | None = None) -> Conversation:
        """For good."""
        return self._move(key, "close", ConversationStatus.CLOSED, "closed", expected)

    @allowed(SYSTEM_ONLY)
    @retry
    def wake_due(self) -> int:
        """Open what was snoozed until now; returns how many. Safe to run twice and in parallel."""
        with self.database.session() as session:
            due = self.repository.due(session, limit=_WOKEN_AT_ONCE)
            for conversation in due:
                self._conversations.move(
                    session, conversation, ConversationStatus.OPEN, action="woken"
                )
            return len(due)

    @property
    def _conversations(self) -> ConversationService:
        return self.related(ConversationService)

    def _open(
        self,
        values: Mapping[str, Any],
        message: Mapping[str, Any] | None,
        task: Mapping[str, Any] | None,
    ) -> Conversation:
        conversation = self._conversations.create(values)
        if message is not None:
            with _within("message"):
                if not self.related(MessageService).post(conversation.id, message)[1]:
                    raise AlreadyExists("messages", ("external_id",))  # in another conversation
        if task is not None:
            with _within("task"):
                about = {**task, "conversation_id": conversation.id}
                if not self.related(TaskService).submit(about)[1]:
                    raise AlreadyExists("tasks", ("dedupe_key",))  # another one's
        return conversation

    def _known(
        self, session: Session, values: Mapping[str, Any], message: Mapping[str, Any]
    ) -> Conversation | None:
        """The conversation with the message that this one repeats; raises ExternalIdReused."""
        messages = self.related(MessageService)
        with _within("message"):
            known = messages.repeated(session, values["channel"], values["customer_id"], message)
            if known is None:
                return None
            found = self.repository.get(session, known.conversation_id)
            if found is None:  # deleted since
                raise ExternalIdReused
            return found

    def _checked(
        self,
        session: Session,
        key: UUID,
        action: str,
        expected: Collection[int] | None = None,
    ) -> Conversation:
        """Locked; raises InvalidTransition where the status does not allow the action.

        Raises VersionMismatch, before the action itself adds a message.
        """
        conversation = self._conversations.locked(session, key)
        check_conversation_action(action, conversation.status)
        self._conversations.check_expected(conversation, expected)
        return conversation

    def _move(
        self,
        key: UUID,
        verb: str,
        status: ConversationStatus,
        action: str,
        expected: Collection[int] | None,
    ) -> Conversation:
        with self.database.session() as session:
            conversation = self._checked(session, key, verb, expected)
            self._conversations.move(session, conversation, status, action=action)
            return conversation

    def _say(
        self, session: Session, conversation: Conversation, message: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Write to the customer, unless this message was sent before; returns what that changes."""
        messages = self.related(MessageService)
        values = {**message, "direction": Direction.OUTBOUND}
        with _within("message"):
            if messages.repeated_in(session, conversation, values) is not None:
                return {}
            is_new = messages.add_once(session, conversation, values, messages.add)[1]
        return messages.effect(conversation, Direction.OUTBOUND) if is_new else {}

    def _complete(
        self, session: Session, key: UUID, task_id: UUID, lease_token: str, output: Any
    ) -> None:
        with _within("complete_task"):
            self._check_is_about(session, task_id, key, "id")
            self.related(TaskQueueService).complete(task_id, lease_token, output)

    def _check_is_about(
        self, session: Session, task_id: UUID | None, key: UUID, field: str = "task_id"
    ) -> None:
        task = None if task_id is None else self.tasks.record(session.connection(), task_id)
        if task_id is not None and (task is None or task["conversation_id"] != key):
            raise UnknownReference(field)

    def _refund(self, session: Session, values: dict[str, Any]) -> None:
        legs = values.pop("entries")
        with _within("refund"):
            self._check_is_about(session, values["task_id"], values["conversation_id"])
            new = NewTransaction(**values, entries=legs, kind=TransactionKind.REFUND)
            self.related(TransactionService).create(new)


@contextmanager
def _within(field: str) -> Iterator[None]:
    """Report what is wrong inside as being within this field."""
    try:
        yield
    except Invalid as error:
        mistakes = [replace(each, path=(field, *each.path)) for each in error.mistakes]
        raise Invalid(mistakes) from error
    except Conflict as error:
        error.at(*((field, *path) for path in error.paths))
        raise

"""What time brings about by itself. Every job is safe to run twice and in parallel."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.base import Service
from app.services.conversation_lifecycle import ConversationLifecycle
from app.services.task_queue import TaskQueueService


@dataclass(frozen=True, kw_only=True)
class JobService(Service):
    def run_due(self) -> dict[str, int]:
        """Run every job until nothing is left to do; returns what was done, by job."""
        queue, conversations = self.beside(TaskQueueService), self.beside(ConversationLifecycle)
        rescued = queue.rescue()
        woken = 0
        while batch := conversations.wake_due():
            woken += batch
        return {"leases taken back": rescued, "conversations woken": woken}

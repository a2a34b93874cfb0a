"""Problems with the state of conversations, messages and tasks."""

from __future__ import annotations

from uuid import UUID

from app.api.kit.openapi.examples import ID
from app.api.kit.problem_type import of_error
from app.domain.conversations import ConversationMerged, CustomerMismatch, MergeIntoItself
from app.domain.messages import ExternalIdReused
from app.domain.tasks import LeaseLost, OpenSubtasks, ParentFinished, TaskCycle, TaskTooDeep

DESK = (
    of_error(
        ConversationMerged(UUID(ID)),
        "The conversation was merged into another one, and takes no message, task or to-do.",
        "Send the request for the conversation that `merged_into_id` names.",
    ),
    of_error(
        MergeIntoItself(),
        "The conversation that is merged and the target are the same.",
        "Name another conversation in `into`.",
    ),
    of_error(
        CustomerMismatch(),
        "The two conversations belong to different customers, and so can't be merged.",
        "Merge conversations of one customer only.",
    ),
    of_error(
        ExternalIdReused(),
        "Another message of the channel has this `external_id`, and differs in its customer, "
        "direction or body.",
        "If it is another message, send it with an `external_id` of its own.",
    ),
    of_error(
        LeaseLost(),
        "The task is not, or no longer, held under this lease token: the lease has run out and "
        "another agent may have the task.",
        "Stop working on the task, and claim again. Send heartbeats before the lease runs out.",
    ),
    of_error(
        TaskCycle(),
        "The task would be below itself.",
        "Name another task in `parent_id`.",
    ),
    of_error(
        TaskTooDeep(5),
        "The tasks above a deleted task were moved down meanwhile: restored, it would be deeper "
        "than tasks may be.",
        "Move one of the tasks above it up, and restore it again.",
    ),
    of_error(
        OpenSubtasks(),
        "One of the task's sub-tasks is pending or running.",
        "Complete or cancel the sub-tasks first.",
    ),
    of_error(
        ParentFinished(),
        "The parent has ended or is being cancelled, so it can have no open sub-task.",
        "Name a parent that is pending or running, or none.",
    ),
)

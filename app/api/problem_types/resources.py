"""Problems with the state of a resource of any kind, and of users."""

from __future__ import annotations

from app import errors
from app.api.kit.problem_type import of_error
from app.db import errors as db_errors
from app.domain.conversations import CountMismatch
from app.domain.customers import NotErasable
from app.domain.users import LastAdmin

_TAKEN = errors.AlreadyExists("customers", ("reference",))
_TAKEN.facts = {"existing_id": "01a1fcbe-dfca-719f-bfae-a835fce21513"}

RESOURCES = (
    of_error(
        _TAKEN,
        "Another resource has the value of a field that is unique. Deleted ones do not count.",
        "`errors` names the field, and `existing_id` the resource that has the value, where it is"
        " known. Use another value, or update that resource.",
    ),
    of_error(
        errors.InUse("customers", ["conversations"]),
        "Other resources still refer to the one that was to be deleted.",
        "`errors` names their kinds. Delete or move them first.",
    ),
    of_error(
        errors.NotDeleted("It is not deleted."),
        "Only a deleted resource can be restored, and this one is not deleted.",
        "Nothing is to do: it is there.",
    ),
    of_error(
        errors.ParentDeleted(["customer_id"]),
        "The resource refers to another one that is deleted, so it can't be restored.",
        "Restore the other one first.",
    ),
    of_error(
        errors.InvalidTransition("account", "freeze", "closed", []),
        "The status of the resource does not allow this action.",
        "`from` is the status, `allowed` names the actions that it allows.",
    ),
    of_error(
        CountMismatch(10, 12),
        "More or fewer resources fit the filter than `expected_count` says. Nothing was changed.",
        "Count them with `dry_run`, and decide whether the filter is right.",
    ),
    of_error(
        db_errors.TooManyRows(1000),
        "More resources would be changed than one request may change. Nothing was changed.",
        "Narrow the filter, and send several requests.",
    ),
    of_error(
        LastAdmin(),
        "Without this user nobody could administer the service.",
        "Make another user an admin first.",
    ),
    of_error(
        NotErasable({"open conversations": 1}),
        "A customer with unfinished business can't be erased.",
        "Finish what `detail` names, then erase the customer.",
    ),
)

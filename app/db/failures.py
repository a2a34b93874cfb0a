"""The error that reports why a unit of work could only roll back."""

from .session import UnitOfWorkError


class UnitRolledBack(UnitOfWorkError):
    """The caller caught an error of the unit and went on: nothing of the unit was done."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(
            f"The unit of work can only roll back: {type(cause).__name__} was"
            f" {_place_of_catch(cause)}. To go on after an error, put the work that may fail into"
            " `with database.savepoint():` and catch the error outside of that block."
        )


def _place_of_catch(error: BaseException) -> str:
    """The traceback of an error that was caught begins with the function that caught it."""
    if error.__traceback__ is None:
        return "raised"
    code = error.__traceback__.tb_frame.f_code
    return f"caught in {code.co_qualname} ({code.co_filename}:{error.__traceback__.tb_lineno})"

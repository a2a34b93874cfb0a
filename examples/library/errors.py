"""The errors of the library's rules. Those of the database come from the layer."""

from unitwork.errors import ApplicationError, Conflict


class NotFound(ApplicationError):
    code = "not-found"


class InUse(Conflict):
    code = "in-use"


class NoCopyLeft(Conflict):
    code = "no-copy-left"


class CopyLeft(Conflict):
    code = "copy-left"


class TooManyLoans(Conflict):
    code = "too-many-loans"


class AlreadyReturned(Conflict):
    code = "already-returned"

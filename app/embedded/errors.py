from app.errors import Unavailable


class EmbeddedServerError(Unavailable):
    """The embedded server can't be run here; the message says what to do."""

    code = "database-unavailable"

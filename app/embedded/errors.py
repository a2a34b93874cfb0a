class EmbeddedServerError(Exception):
    """The embedded server cannot run here; the message says what to do."""

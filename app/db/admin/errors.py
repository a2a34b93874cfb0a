class MigrationError(Exception):
    """Alembic refuses to run a migration, or the models and the schema differ; the message says
    why."""

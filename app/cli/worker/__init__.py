"""`flask work`: threads that claim tasks and run a program for each."""

from app.cli.worker.worker import Worker

__all__ = ["Worker"]

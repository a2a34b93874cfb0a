"""The table of commands, from the command line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli import COMMANDS, command
from docs.generate.parts import table

if TYPE_CHECKING:
    from collections.abc import Iterator


def parts() -> dict[str, str]:
    """The part of docs/operations.md."""
    rows = [row for name in COMMANDS for row in _rows(f"flask {name}", command(name))]
    return {"commands": table(("command", "what it does"), *rows)}


def _rows(path: str, found: click.Command) -> Iterator[tuple[str, str]]:
    if isinstance(found, click.Group):
        for name, inner in sorted(found.commands.items()):
            yield from _rows(f"{path} {name}", inner)
        return
    usage = " ".join([path, *filter(None, map(_usage, _by_kind(found)))])
    yield f"`{usage}`", (found.help or "").strip().partition("\n\n")[0]


def _by_kind(found: click.Command) -> list[click.Parameter]:
    """Arguments first, then what is required."""
    return sorted(
        found.params, key=lambda each: (not isinstance(each, click.Argument), not each.required)
    )


def _usage(parameter: click.Parameter) -> str:
    """Such as `EMAIL`, `--name TEXT`, or `[--format csv|ndjson]`."""
    if isinstance(parameter, click.Option):
        if parameter.hidden:
            return ""
        name = max(parameter.opts, key=len)
        words = name if parameter.is_flag else f"{name} {_value(parameter)}"
    else:
        words = _value(parameter)
    more = "..." if parameter.multiple or parameter.nargs == -1 else ""
    return words + more if parameter.required else f"[{words}]{more}"


def _value(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
        return "N"
    is_argument = isinstance(parameter, click.Argument)
    given = (parameter.name or "") if is_argument else parameter.type.name
    return parameter.metavar or given.upper()

"""Reads dataclasses from the variables of the environment, and reports all mistakes at once."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from environs import Env, EnvValidationError

from app.db.errors import ApplicationError
from app.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_PREFIX = "CASELOAD_"
_VARIABLE = "variable"  # the key in the metadata of a field


class SettingsError(ApplicationError):
    """One message that names every setting that is wrong."""

    code = "settings"


@contextmanager
def exit_on_mistake() -> Iterator[None]:
    """End the process with one line on stderr and the exit code 2 where a setting is wrong."""
    try:
        yield
    except SettingsError as error:
        print(f"Error: {printable(str(error))}", file=sys.stderr)  # noqa: T201 - there is no log yet
        raise SystemExit(2) from None


@dataclass(frozen=True)
class Reader(Generic[T_co]):
    """Reads a variable by its name, None where it is not set; `values` names what it accepts."""

    read: Callable[[Env, str], T_co | None]
    values: str


@dataclass(frozen=True)
class Variable:
    """A variable of the environment; `meaning` and `default` are for the documentation."""

    name: str
    reader: Reader[object]
    meaning: str
    default: str


def setting(
    default: T,
    reader: Reader[T],
    meaning: str,
    *,
    variable: str = "",
    shown: str = "",
    secret: bool = False,
) -> T:
    """A field of a dataclass that is read from the environment.

    `variable` is its name there, by default the field's own with the prefix; `shown` documents
    the default where its value does not. A secret field is in no repr.
    """
    value = f"{default:g}" if isinstance(default, float) else str(default)
    about = Variable(variable, reader, meaning, shown or value)
    return field(default=default, repr=not secret, metadata={_VARIABLE: about})


def variables(kind: type[Any]) -> dict[str, Variable]:
    """The variables of a dataclass whose fields are settings, by the names of the fields."""
    found = {each.name: each.metadata[_VARIABLE] for each in fields(kind)}
    return {
        name: Variable(
            about.name or f"{_PREFIX}{name.upper()}", about.reader, about.meaning, about.default
        )
        for name, about in found.items()
    }


def read(kind: type[Any]) -> dict[str, Any]:
    """The values that the environment sets, by the names of the fields; raises SettingsError."""
    env = Env(eager=False)
    values = {name: of.reader.read(env, of.name) for name, of in variables(kind).items()}
    wrong = _wrong_values(env)
    wrong |= _unknown_names({*env.dump(), *wrong})
    if wrong:
        raise SettingsError("; ".join(f"{name}: {detail}" for name, detail in wrong.items()))
    return {name: value for name, value in values.items() if value is not None}


def _wrong_values(env: Env) -> dict[str, str]:
    try:
        env.seal()
    except EnvValidationError as error:
        messages = cast("dict[str, list[str]]", error.error_messages)
        return {name: " ".join(found) for name, found in messages.items()}
    return {}


def _unknown_names(known: Collection[str]) -> dict[str, str]:
    """Variables with the prefix that no field reads: most likely misspelt."""
    ours = sorted(name for name in known if name.startswith(_PREFIX))
    return {
        name: f"Unknown setting{_nearest(name, ours)}"
        for name in sorted(os.environ)
        if name.startswith(_PREFIX) and name not in known
    }


def _nearest(name: str, known: Collection[str]) -> str:
    found = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; did you mean {found[0]}?" if found else "."

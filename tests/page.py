"""Runs a page of the documentation: writes its files, and compares what its commands print."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"##? (\S+\.(?:py|ini|mako))\n")
_MARK = "--- end of command ---"

# Python imports it at its start: it notes each file that the programs of the page open.
_WATCH = """
import os, sys
def note(event, arguments):
    if event == "open" and str(arguments[0]).startswith(os.environ["PAGE"]):
        with os.fdopen(os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND), "a") as opened:
            opened.write(os.path.realpath(arguments[0]) + "\\n")
sys.addaudithook(note)
"""


class Command(NamedTuple):
    line: str
    output: str


class Page:
    """Each block is a file, whose first line is a comment with its name, or a console."""

    def __init__(self, text: str) -> None:
        self.files: dict[str, str] = {}
        self.commands: list[Command] = []
        for kind, body in _BLOCK.findall(text):
            if kind == "console":
                self.commands += _commands(body)
            elif name := _FILE.match(body):
                self.files[name[1]] = body
            else:
                raise AssertionError(f"A block is neither a file nor a console: {body}")

    def run(self, folder: Path, environment: Mapping[str, str]) -> list[str]:
        """Write the files into the folder and run the commands there; returns their outputs.

        Raises AssertionError where a command fails, or where no command used a file.
        """
        for name, body in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
        outputs, opened = _run([command.line for command in self.commands], folder, environment)
        unused = self.files.keys() - {name for name in self.files if f"{folder / name}" in opened}
        assert not unused, f"No command runs {unused}."
        return outputs


def _commands(body: str) -> list[Command]:
    prompts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert not prompts[0], f"A console does not begin with a command: {body}"
    found = [prompt.partition("\n") for prompt in prompts[1:]]
    return [Command(line, output.rstrip("\n")) for line, _, output in found]


def _run(
    lines: list[str], folder: Path, environment: Mapping[str, str]
) -> tuple[list[str], set[str]]:
    watch = folder.parent / f"{folder.name}-watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(_WATCH)
    opened = watch / "opened"
    opened.touch()
    script = "set -e\n" + "".join(f"{line}\necho '{_MARK}'\n" for line in lines)
    path = os.pathsep.join([str(watch), *filter(None, [environment.get("PYTHONPATH")])])
    done = subprocess.run(  # noqa: S603 - the documentation
        ["bash", "-c", script],  # noqa: S607 - the documentation's shell
        cwd=folder,
        env={
            **os.environ,
            **environment,
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PAGE": f"{folder.resolve()}/",
            "OPENED": str(opened),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    outputs = done.stdout.split(f"{_MARK}\n")[:-1]
    return [output.rstrip("\n") for output in outputs], set(opened.read_text().splitlines())

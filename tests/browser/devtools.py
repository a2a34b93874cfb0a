"""Chromium's DevTools protocol, through its standard input and output."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import Any

import orjson

PATIENCE = 120  # seconds
_END = b"\0"


class DevTools:
    """Of one page, which is empty at first; `events` are what it told unasked."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str]) -> None:
        self.events: list[dict[str, Any]] = []
        self._session: dict[str, str] = {}
        self._calls, self._read = 0, b""
        # It reads from 3 and writes to 4.
        shell = ("/bin/sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1', "sh")
        self._process = subprocess.Popen(  # noqa: S603 - Chromium
            (*shell, *command, "--remote-debugging-pipe"),
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def close(self) -> None:
        """Its files are complete then."""
        try:
            self.call("Browser.close")
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.communicate()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        asked = {"id": self._calls, "method": method, "params": parameters, **self._session}
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(asked) + _END)
        self._process.stdin.flush()
        while (answer := self._next()).get("id") != self._calls:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, script: str) -> Any:
        """What the script comes to, where need be after it has waited."""
        reported = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        return reported["result"].get("value")

    def wait_until(self, script: str) -> None:
        until = time.monotonic() + PATIENCE
        while not self.evaluate(f"Boolean({script})"):
            assert time.monotonic() < until, f"never: {script}"
            time.sleep(0.1)

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while _END not in self._read:
            assert select.select([pipe], [], [], PATIENCE)[0], "Chromium does not answer."
            more = os.read(pipe, 1 << 16)
            assert more, "Chromium has ended."
            self._read += more
        message, _, self._read = self._read.partition(_END)
        found: dict[str, Any] = orjson.loads(message)
        return found

"""What was claimed of a run, and what was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """`seen` is for people; `broken` says which claims do not hold."""

    name: str
    seen: dict[str, str] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def note(self, **seen: Any) -> None:
        for name, value in seen.items():
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            self.seen[name.replace("_", " ")] = shown

    def expect(self, claim: str, found: Any, expected: Any) -> None:
        self.claims[claim] = f"{found:,}" if isinstance(found, int) else str(found)
        if found != expected:
            self.broken.append(f"{self.name}: {claim}: {found!r}, not {expected!r}")

    def show(self) -> None:
        print(f"\n## {self.name}\n\n| | |\n|---|---|")
        for name, value in (self.seen | self.claims).items():
            print(f"| {name} | {value} |")
        for line in self.broken:
            print(f"BROKEN {line}")

"""The lock files: whoever installs them gets what they name, whatever has been released since."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNS = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"]]
TESTS = [*RUNS, *PROJECT["project"]["optional-dependencies"]["dev"]]
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
COMMENT = re.compile(r"    # ")


def pins(lock: str) -> dict[str, str]:
    """The version of each package that a lock names for this interpreter."""
    return {
        found["name"]: found["version"]
        for line in lock.splitlines()
        if (found := PIN.fullmatch(line))
        and (found["marker"] is None or Requirement(f"x ; {found['marker']}").marker.evaluate())  # type: ignore[union-attr] # it has one
    }


def mistakes(lock: str, wanted: Iterable[str]) -> Iterator[str]:
    """Everything for which pip would have to look for a version, or could take another file."""
    for line in lock.splitlines():
        if not (PIN.fullmatch(line) or HASH.fullmatch(line) or COMMENT.match(line)):
            yield f"not a pin with hashes: {line}"
    for line, following in zip(lock.splitlines(), [*lock.splitlines()[1:], ""], strict=True):
        if PIN.fullmatch(line) and not HASH.fullmatch(following):
            yield f"without a hash: {line}"
    yield from unsatisfied(pins(lock), [Requirement(text) for text in wanted])


def unsatisfied(pinned: dict[str, str], wanted: list[Requirement]) -> Iterator[str]:
    """Follows the requirements of the packages as they are installed here, extras included."""
    seen = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if (name, *requirement.extras) in seen:
            continue
        seen.add((name, *requirement.extras))
        version = pinned.get(name)
        if version is None or not requirement.specifier.contains(version):
            yield f"{requirement} is not satisfied by {name} {version}"
            continue
        for text in distribution(name).requires or ():
            below = Requirement(text)
            extras = requirement.extras or {""}
            if below.marker is None or any(below.marker.evaluate({"extra": e}) for e in extras):
                wanted.append(below)


def read(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements.lock", RUNS),
        ("requirements-dev.lock", TESTS),
        ("fuzz/requirements.lock", []),
        ("benchmarks/peers/requirements.lock", []),
    ],
)
def test_a_lock_leaves_nothing_to_resolve(name: str, wanted: list[str]) -> None:
    """Each package that is needed has one version and hashes, and no address of a registry."""
    assert list(mistakes(read(name), wanted)) == []
    assert "://" not in read(name)


def test_both_locks_agree() -> None:
    """The suite runs on the versions that the service runs on."""
    assert pins(read("requirements.lock")).items() <= pins(read("requirements-dev.lock")).items()


@pytest.mark.parametrize(
    ("was", "is_now", "mistake"),
    [
        (r"click==(\S+)", r"click>=\1", "not a pin with hashes: click>="),
        (r"\ncoverage==", r"\ncoverage[toml]==", "not a pin with hashes: coverage[toml]=="),
        (r"\ncoverage==\S+", r"\ncoverage==1.0", "is not satisfied by coverage 1.0"),
        (r"\nmako==(\S+) \\\n(    .*\n)+", "\n", "is not satisfied by mako None"),
        (r"\nclick==(\S+) \\\n(    --hash.*\n)+", r"\nclick==\1 \\\n", "without a hash: click=="),
    ],
)
def test_a_lock_that_needs_a_resolver_is_found(was: str, is_now: str, mistake: str) -> None:
    """A range, an extra, a version out of range, a missing package, a missing hash."""
    broken, count = re.subn(was, is_now, read("requirements-dev.lock"), count=1)
    assert count == 1
    assert any(mistake in found for found in mistakes(broken, TESTS))


def test_what_is_installed_here_is_what_the_lock_names() -> None:
    """Nothing was resolved when this environment was made."""
    for name, version in pins(read("requirements-dev.lock")).items():
        assert (name, distribution(name).version) == (name, version)

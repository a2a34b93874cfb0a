"""axe-core: finds in a page what keeps people with a disability from using it."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.devtools import DevTools

_FILE = Path(sys.prefix) / "axe" / "axe_playwright_python" / "axe.min.js"
_RUN = """axe.run(document).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, target }) => `${id}: ${target}: ${html.slice(0, 200)}`)))"""


def violations(page: DevTools) -> list[str]:
    """Every rule that an element breaks: the rule, the element's selector, its HTML."""
    page.evaluate(f"{_source()}; null")
    found: list[str] = page.evaluate(_RUN)
    assert isinstance(found, list), f"axe did not run: {found}"
    return found


@cache
def _source() -> str:
    assert _FILE.exists(), f"{_FILE} is missing: `make browser` installs it."
    return _FILE.read_text()

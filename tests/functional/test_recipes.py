"""The recipes of docs/recipes.md, applied to a copy of the code, do what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.settings import ROOT
from tests.tree import copied

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs/recipes.md").read_text()
_BLOCK = re.compile(r"^```(diff|python)\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CARD = {"sku": "CARD", "name": "Card", "price": {"amount": "1.00", "currency": "GBP"}}


def edited(text: str, diff: str) -> str:
    """The text with the lines of the diff; it must fit at one place."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(old) == 1, old
    return text.replace(old, new)


def cook(folder: Path, head: str) -> None:
    """Apply every block of the page; the migration follows the newest one that there is."""
    for kind, name, body in _BLOCK.findall(PAGE):
        path = folder / name
        if kind == "diff":
            path.write_text(edited(path.read_text(), body))
        else:
            path = path.with_name("9999_recipe.py")
            revised = body.replace('revision = "0015"', 'revision = "9999"')
            path.write_text(re.sub(r'down_revision = "\w+"', f'down_revision = "{head}"', revised))


def test_the_recipes_work_as_they_stand(tmp_path: Path, template_url: str) -> None:
    """Field, filter, action, event and setting, all in one copy."""
    with copied(tmp_path, template_url, "recipes") as copy:
        cook(tmp_path, copy.head)
        copy.run("-m", "flask", "db", "upgrade")
        copy.run("-m", "flask", "db", "check")
        heavy, light, wrong, listed, ended, events = copy.send(
            ("POST", "/v1/products", {**CARD, "weight_grams": 500}),
            ("POST", "/v1/products", {**CARD, "sku": "LIGHT", "weight_grams": 5}),
            ("POST", "/v1/products", {**CARD, "sku": "NONE", "weight_grams": 0}),
            ("GET", "/v1/products?weight_grams__gte=500", None),
            ("POST", "/v1/products/{0[id]}/discontinue", {}),
            ("GET", "/v1/events?action=discontinued", None),
        )
        assert (heavy["weight_grams"], light["status"], wrong["status"]) == (500, 201, 422)
        assert [item["id"] for item in listed["items"]] == [heavy["id"]]
        assert (ended["is_active"], ended["version"]) == (False, 2)
        (event,) = events["items"]
        assert event["changes"] == {"is_active": {"before": True, "after": False}}
        setting = (
            "from app import create_app; print(create_app().extensions['settings'].max_weight)"
        )
        assert copy.run("-c", setting).strip() == "1000000"

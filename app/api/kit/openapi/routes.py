"""The routes of the application, as the document describes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

from app.api.kit.access import policy_of
from app.api.kit.contract import Contract, contract_of
from app.api.kit.schemas import ResourceSchema
from app.api.kit.selection import SELECTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.api.kit.access import Policy

NOT_MODIFIED = 304
_VERBS = {"POST": "create", "PATCH": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Route:
    """`acts` is true for a POST that is an action, and false for one that adds to a list."""

    path: str
    method: str
    tag: str
    view: Callable[..., object]
    policy: Policy
    contract: Contract
    acts: bool

    @property
    def name(self) -> str:
        words = re.split(r"\W+", re.sub(r"\{\w+\}", "", self.path.removeprefix("/v1")))
        verb = "list" if self.contract.reader else _VERBS.get(self.method, "")
        if self.method == "GET" and not verb and self.path.endswith("}"):
            verb = "read"
        words.append("" if self.acts else verb)
        return "_".join(filter(None, words)) or self.tag

    @property
    def is_versioned(self) -> bool:
        """Whether it returns or changes one resource under its version."""
        if self.method == "GET":
            return self._is_one and self.contract.reader is None
        return self.method in ("PATCH", "DELETE") or (self.acts and "{id}" in self.path)

    @property
    def has_tag(self) -> bool:
        is_one = self._is_one and self.contract.reader is None
        return is_one or NOT_MODIFIED in self.contract.statuses

    @property
    def statuses(self) -> tuple[int, ...]:
        may_be_known = self.method == "GET" and self.is_versioned
        return (*self.contract.statuses, *((NOT_MODIFIED,) if may_be_known else ()))

    @property
    def is_selective(self) -> bool:
        """Whether clients choose the fields and references to return."""
        named = self.policy.parameters or ()
        return self.contract.reader is not None or not set(SELECTION).isdisjoint(named)

    @property
    def _is_one(self) -> bool:
        contract = self.contract
        return not contract.many and any(issubclass(a, ResourceSchema) for a in contract.answer)


def routes() -> Iterator[Route]:
    """Every route; raises LookupError for one without a policy or a contract."""
    rules = list(current_app.url_map.iter_rules())
    readable = {rule.rule for rule in rules if "GET" in (rule.methods or ())}
    for rule in rules:
        view, policy = current_app.view_functions[rule.endpoint], policy_of(rule.endpoint)
        contract = contract_of(view)
        if policy is None or contract is None:
            raise LookupError(
                f"{rule.endpoint} has no policy (`allow`) or no contract (`answers`, `lists`)."
            )
        path, tag = path_of(rule.rule), rule.endpoint.partition(".")[0]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            acts = method == "POST" and rule.rule not in readable
            yield Route(path, method, tag, view, policy, contract, acts)


def path_of(rule: str) -> str:
    """With `{id}` for an id, and any other part of the path under its own name."""
    return re.sub(r"<(\w+)>", r"{\1}", re.sub(r"<id:\w+>", "{id}", rule))

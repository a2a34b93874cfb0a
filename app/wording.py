"""Names of resources and actions as words of a sentence: the only place that knows them."""

from __future__ import annotations

_SINGULAR = {"faqs": "FAQ", "todos": "to-do"}
_ENDINGS = {"ies": "y", "ches": "ch", "shes": "sh", "sses": "ss", "xes": "x", "s": ""}
_ARTICLES = {"FAQ": "an", "user": "a"}
_PARTICIPLES = {
    "cancel": "cancelled",
    "freeze": "frozen",
    "heartbeat": "kept alive",
    "message": "written to",
    "unfreeze": "unfrozen",
}


def singular(resource: str) -> str:
    """What one row of the resource is called: `customers` are each a `customer`."""
    if resource in _SINGULAR:
        return _SINGULAR[resource]
    ending = next((ending for ending in _ENDINGS if resource.endswith(ending)), "")
    return (resource.removesuffix(ending) + _ENDINGS.get(ending, "")).replace("_", " ")


def plural(resource: str) -> str:
    """What many rows of the resource are called."""
    return f"{_SINGULAR[resource]}s" if resource in _SINGULAR else resource.replace("_", " ")


def with_article(noun: str) -> str:
    """`an account`, `a closed account`."""
    first = noun.split(maxsplit=1)[0]
    return f"{_ARTICLES.get(first) or ('an' if first[0] in 'aeiou' else 'a')} {noun}"


def participle(action: str) -> str:
    """What a row is after the action: `close` leaves it `closed`."""
    return _PARTICIPLES.get(action) or f"{action.removesuffix('e')}ed"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:]

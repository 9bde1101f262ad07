"""Stripe's form encoding: `a[b][c]=1`, `a[]=1`, `a[0][b]=1` become nested dicts and lists.

What comes out holds only `str`, `list` and `dict`; types are the business of `params.py`.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from billing.local.stripe.errors import invalid_request

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")
MAX_DEPTH = 10


def parse_form(text: str) -> dict[str, Any]:
    """Decode a query string or form body; raise `invalid_request` on a key that can't be read."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if "[" not in key:
            root[key] = value
            continue
        _put(root, _path(key), value, key)
    return {name: _settle(value) for name, value in root.items()}


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """The way back: nested values as sorted pairs, to compare two requests."""
    if isinstance(value, dict):
        pairs = []
        for name in sorted(value):
            pairs += flatten(value[name], f"{prefix}[{name}]" if prefix else str(name))
        return pairs
    if isinstance(value, list):
        return [pair for n, item in enumerate(value) for pair in flatten(item, f"{prefix}[{n}]")]
    return [(prefix, str(value))]


def _path(key: str) -> list[str]:
    match = _KEY.match(key)
    if match is None:
        raise invalid_request(f"Invalid parameter name: {key}", param=key)
    parts = [match.group(1), *_PART.findall(match.group(2))]
    if len(parts) > MAX_DEPTH:
        raise invalid_request(f"Parameter nested too deep: {key}", param=key)
    return parts


def _put(root: dict[str, Any], path: list[str], value: str, key: str) -> None:
    node = root
    for place, name in enumerate(path[:-1]):
        child = node.setdefault(_slot(node, name, path[place + 1 :]), {})
        if not isinstance(child, dict):
            raise invalid_request(f"Invalid parameter: {key} is given both ways", param=key)
        node = child
    node[_slot(node, path[-1], [])] = value


def _slot(node: dict[str, Any], name: str, rest: list[str]) -> str:
    """The key to use in `node`, where `[]` takes the next free place.

    The fields of one element may follow each other, as Rack reads them: `items[][a]=1&items[][b]=2`
    is one item, and another `items[][a]` begins the next.
    """
    if name != "":
        return name
    last = str(len(node) - 1)
    if rest and last in node and not _holds(node[last], rest):
        return last
    return str(len(node))


def _holds(node: Any, path: list[str]) -> bool:
    """Whether there is something at the end of `path` already."""
    for name in path:
        if name == "":
            return False
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True


def _settle(value: Any) -> Any:
    """Turn dicts whose keys are 0, 1, 2, … into lists; `params.py` knows when not to."""
    if not isinstance(value, dict):
        return value
    settled = {name: _settle(item) for name, item in value.items()}
    if settled and settled.keys() == {str(place) for place in range(len(settled))}:
        return [settled[str(place)] for place in range(len(settled))]
    return settled

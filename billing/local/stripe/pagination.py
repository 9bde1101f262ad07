"""Lists: Stripe's cursors and filters. https://docs.stripe.com/api/pagination."""

from collections.abc import Callable
from typing import Any

from billing.local.stripe.errors import invalid_request, missing_resource
from billing.local.stripe.params import Params
from billing.local.stripe.query import Filter, UnknownCursorError, link_text
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

MAX_LIMIT = 100
_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def read_filter(params: Params, fields: tuple[str, ...]) -> Filter:
    """The filter that list parameters ask for; `fields` are those this kind filters by."""
    limit = check_limit(params.get("limit", 10))
    if "starting_after" in params and "ending_before" in params:
        raise invalid_request(
            "You may only specify one of these parameters: ending_before, starting_after.",
            param="ending_before",
        )
    wanted = Filter(
        equals={name: link_text(params[name]) for name in fields if name in params},
        bounds=_bounds(params.get("created")),
        starting_after=params.get("starting_after"),
        ending_before=params.get("ending_before"),
        limit=limit,
    )
    for operator, seconds in _bounds(params.get("arrival_date")):
        condition = f"json_extract(o.body, '$.arrival_date') {operator} ?"
        wanted.also.append((condition, [seconds]))
    return wanted


def check_limit(limit: int) -> int:
    """A limit from 1 to 100, or Stripe's refusal."""
    if not 1 <= limit <= MAX_LIMIT:
        bound = "least 1" if limit < 1 else f"most {MAX_LIMIT}"
        word = "greater than or equal to 1" if limit < 1 else f"less than or equal to {MAX_LIMIT}"
        raise invalid_request(
            f"This value must be {word} (this is at {bound}; given {limit}).",
            param="limit",
            code="parameter_invalid_integer",
        )
    return limit


def _bounds(created: Any) -> list[tuple[str, int]]:
    if created is None:
        return []
    if isinstance(created, dict):
        return [(_OPERATORS[name], seconds) for name, seconds in created.items()]
    return [("=", int(created))]


def page(work: Work, kind: str, wanted: Filter, url: str) -> Obj:
    """One page as Stripe's list object."""
    try:
        found, more = work.store.select(kind, wanted)
    except UnknownCursorError as unknown:
        raise missing_resource(kind, unknown.object_id, unknown.param) from None
    return list_object([public(obj) for obj in found], url, more)


def list_object(data: list[Obj], url: str, more: bool = False) -> Obj:
    """Stripe's envelope around several objects."""
    return {"object": "list", "data": data, "has_more": more, "url": url}


def lister(kind: str, url: str, *fields: str) -> Callable[..., Obj]:
    """A handler that lists a kind, filtered by `fields` and `created`."""

    def handle(work: Work, params: Params) -> Obj:
        if "customer" in fields and "customer" in params:
            work.get("customer", params["customer"], "customer")
        return page(work, kind, read_filter(params, fields), url)

    return handle


def getter(kind: str) -> Callable[..., Obj]:
    """A handler that retrieves one object of a kind."""

    def handle(work: Work, params: Params, object_id: str) -> Obj:
        return work.get(kind, object_id)

    return handle

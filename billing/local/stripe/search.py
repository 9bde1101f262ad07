"""GET /v1/…/search: what a query finds, newest first, page by page.

Sources: https://docs.stripe.com/search and https://docs.stripe.com/api/pagination/search. Stripe's
index lags by up to a minute; here what was just made is found at once.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable

from billing.local.stripe.errors import invalid_request
from billing.local.stripe.expand import includable
from billing.local.stripe.pagination import check_limit
from billing.local.stripe.params import Params
from billing.local.stripe.search_query import FieldType, read_query
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public

WORD, STRING, NUMERIC = FieldType.WORD, FieldType.STRING, FieldType.NUMERIC
FIELDS: dict[str, dict[str, FieldType]] = {
    "charge": {
        "amount": NUMERIC,
        "billing_details.address.postal_code": WORD,
        "created": NUMERIC,
        "currency": WORD,
        "customer": WORD,
        "disputed": WORD,
        "payment_method_details.*.brand": WORD,
        "payment_method_details.*.exp_month": WORD,
        "payment_method_details.*.exp_year": WORD,
        "payment_method_details.*.fingerprint": WORD,
        "payment_method_details.*.last4": WORD,
        "refunded": WORD,
        "status": WORD,
    },
    "customer": {"created": NUMERIC, "email": STRING, "name": STRING, "phone": STRING},
    "payment_intent": {
        "amount": NUMERIC,
        "created": NUMERIC,
        "currency": WORD,
        "customer": WORD,
        "status": WORD,
    },
}
"""The fields that each kind is searched by, beside its metadata."""


def searcher(kind: str) -> Callable[..., Obj]:
    """A handler that searches a kind."""
    resource = f"{kind}s"

    def handle(work: Work, params: Params) -> Obj:
        limit = check_limit(params.get("limit", 10))
        query = read_query(params["query"], resource, FIELDS[kind])
        mark = hashlib.sha256(f"{kind} {params['query']}".encode()).hexdigest()[:16]
        last = _last_seen(params.get("page"), mark)
        everything = [obj for obj in work.store.each(kind) if not obj.get("deleted")][::-1]
        work.total_count = sum(query.finds(obj) for obj in everything)
        places = {obj["id"]: place for place, obj in enumerate(everything)}
        rest = everything[places[last] + 1 :] if last in places else everything
        found = [obj for obj in rest if query.finds(obj)]
        more = len(found) > limit
        found = found[:limit]
        return {
            "object": "search_result",
            "data": [public(obj) for obj in found],
            "has_more": more,
            "next_page": _page_after(found[-1]["id"], mark) if more else None,
            "url": f"/v1/{resource}/search",
        }

    return handle


@includable("search_result", "total_count")
def _count(work: Work, result: Obj) -> int | None:
    return work.total_count


def _page_after(object_id: str, mark: str) -> str:
    return base64.urlsafe_b64encode(f"{mark} {object_id}".encode()).decode()


def _last_seen(page: str | None, mark: str) -> str | None:
    """The last object of the page before, if `page` was made for this very query."""
    if page is None:
        return None
    try:
        made_for, _, object_id = base64.urlsafe_b64decode(page).decode().partition(" ")
    except (binascii.Error, UnicodeDecodeError):
        made_for, object_id = "", ""
    if made_for != mark:
        raise invalid_request(
            "Invalid page: use the `next_page` of an earlier answer to the same query.",
            param="page",
        )
    return object_id

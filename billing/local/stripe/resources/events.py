"""/v1/events and /v1/webhook_endpoints."""

from billing.local.stripe.errors import invalid_request
from billing.local.stripe.ids import new_id, random_text
from billing.local.stripe.pagination import getter, lister, page, read_filter
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.router import Route
from billing.local.stripe.store import Obj
from billing.local.stripe.work import API_VERSION, Work

MAX_TYPES = 20
_UNDELIVERED = "EXISTS (SELECT 1 FROM deliveries d WHERE d.event = o.id AND d.state <> 'delivered')"
_DELIVERED = f"NOT {_UNDELIVERED}"
KEPT_SECONDS = 30 * 86_400


def list_events(work: Work, params: Params) -> Obj:
    """GET /v1/events: the last 30 days, by type, types[], created and delivery_success."""
    if "type" in params and "types" in params:
        raise invalid_request("You may only specify one of these parameters: type, types.")
    wanted = read_filter(params, ("type",))
    if "delivery_success" in params:
        wanted.also.append((_DELIVERED if params["delivery_success"] else _UNDELIVERED, []))
    if params.get("types"):
        if len(params["types"]) > MAX_TYPES:
            raise invalid_request(f"You may provide at most {MAX_TYPES} types.", param="types")
        wanted.any_of = ("type", tuple(params["types"]))
    wanted.bounds.append((">", work.now - KEPT_SECONDS))
    found = page(work, "event", wanted, "/v1/events")
    for event in found["data"]:
        event["pending_webhooks"] = _pending(work, event["id"])
    return found


def retrieve_event(work: Work, params: Params, event_id: str) -> Obj:
    """GET /v1/events/:id."""
    event = work.get("event", event_id)
    return {**event, "pending_webhooks": _pending(work, event_id)}


def retry_event(work: Work, params: Params, event_id: str) -> Obj:
    """POST /v1/events/:id/retry: what `stripe events resend` calls."""
    event = work.get("event", event_id)
    work.store.write(
        "UPDATE deliveries SET state = 'waiting', next_at = ? WHERE event = ?", (work.now, event_id)
    )
    return {**event, "pending_webhooks": _pending(work, event_id)}


def _pending(work: Work, event_id: str) -> int:
    row = work.store.db.execute(
        "SELECT count(*) FROM deliveries WHERE event = ? AND state <> 'delivered'", (event_id,)
    ).fetchone()
    return int(row[0])


def create_endpoint(work: Work, params: Params) -> Obj:
    """POST /v1/webhook_endpoints: one more receiver. The answer alone shows the secret."""
    if not params["url"].startswith(("http://", "https://")):
        raise invalid_request(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            param="url",
            code="url_invalid",
        )
    endpoint = new_endpoint(
        work, params["url"], f"whsec_{random_text(32)}", params["enabled_events"], params
    )
    work.store.reload_receivers()
    return {**endpoint, "secret": endpoint["_"]["secret"]}


def new_endpoint(
    work: Work, url: str, secret: str, events: list[str], params: Params, fixed_id: str = ""
) -> Obj:
    """Store a webhook endpoint."""
    return work.add(
        "webhook_endpoint",
        {
            "id": fixed_id or new_id("we"),
            "object": "webhook_endpoint",
            "api_version": params.get("api_version", API_VERSION),
            "application": None,
            "created": work.now,
            "description": params.get("description"),
            "enabled_events": events,
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "status": "enabled",
            "url": url,
            "_": {"secret": secret},
        },
    )


def update_endpoint(work: Work, params: Params, endpoint_id: str) -> Obj:
    """POST /v1/webhook_endpoints/:id."""
    endpoint = work.get("webhook_endpoint", endpoint_id)
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        endpoint["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    names = ("url", "enabled_events", "description")
    work.change(endpoint, **{name: params[name] for name in names if name in params})
    work.store.reload_receivers()
    return endpoint


def delete_endpoint(work: Work, params: Params, endpoint_id: str) -> Obj:
    """DELETE /v1/webhook_endpoints/:id."""
    work.get("webhook_endpoint", endpoint_id)
    work.store.remove(endpoint_id)
    work.store.reload_receivers()
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


ROUTES = [
    Route("GET", "/v1/events", list_events, "EventListParams"),
    Route("GET", "/v1/events/*", retrieve_event, "EventRetrieveParams"),
    Route("POST", "/v1/events/*/retry", retry_event, "?"),
    Route("POST", "/v1/webhook_endpoints", create_endpoint, "WebhookEndpointCreateParams"),
    Route(
        "GET",
        "/v1/webhook_endpoints",
        lister("webhook_endpoint", "/v1/webhook_endpoints"),
        "WebhookEndpointListParams",
    ),
    Route(
        "GET",
        "/v1/webhook_endpoints/*",
        getter("webhook_endpoint"),
        "WebhookEndpointRetrieveParams",
    ),
    Route("POST", "/v1/webhook_endpoints/*", update_endpoint, "WebhookEndpointUpdateParams"),
    Route("DELETE", "/v1/webhook_endpoints/*", delete_endpoint, "WebhookEndpointDeleteParams"),
]

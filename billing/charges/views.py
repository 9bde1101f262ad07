"""The address that Stripe's webhooks come to."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from billing.charges.events import store
from billing.gateway import BadSignatureError
from billing.web import runtime

blueprint = Blueprint("charges", __name__)
log = structlog.get_logger()

MAX_BODY_BYTES = 512 * 1024
"""Stripe's events are far smaller; anything larger is refused unread."""


@blueprint.post("/stripe/webhook")
def webhook() -> Response:
    """Verify, store, answer; the work is done later by a worker.

    400 for what Stripe did not sign, 413 for what is too large, 200 for all else, unknown types
    included. A database that is away is a 500, and Stripe sends the event again.
    """
    request.max_content_length = MAX_BODY_BYTES
    parts = runtime()
    now = parts.clock.now()
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        log.warning("webhook refused", reason="too large")
        return Response("too large", 413, mimetype="text/plain")
    try:
        event = parts.gateway.read_event(body, request.headers.get("Stripe-Signature"), now)
    except BadSignatureError:
        log.warning("webhook refused", reason="signature")
        return Response("bad signature", 400, mimetype="text/plain")
    with parts.database.statement() as connection:
        new = store(connection, event, live=parts.settings.stripe.live, backfilled=False, now=now)
    log.info("webhook stored", event_type=event.type, event_id=event.id, new=new)
    return Response("ok", 200, mimetype="text/plain")

"""Every address under /v1."""

from billing.local.stripe.resources import (
    balance,
    catalogue,
    charges,
    checkout,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    setup_intents,
)
from billing.local.stripe.router import Route

ROUTES: list[Route] = [
    *balance.ROUTES,
    *catalogue.ROUTES,
    *charges.ROUTES,
    *checkout.ROUTES,
    *customers.ROUTES,
    *disputes.ROUTES,
    *events.ROUTES,
    *payment_intents.ROUTES,
    *payment_methods.ROUTES,
    *setup_intents.ROUTES,
]

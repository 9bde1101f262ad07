"""The official Stripe CLI against the stand-in: `stripe trigger …` succeeds and its event comes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.stripe.helpers import KEY, Receiver, StandIn, until

CLI = os.environ.get("STRIPE_CLI") or shutil.which("stripe")
EVENTS = """
checkout.session.completed checkout.session.async_payment_succeeded
checkout.session.async_payment_failed checkout.session.expired
payment_intent.succeeded payment_intent.payment_failed payment_intent.processing
payment_intent.requires_action payment_intent.canceled payment_intent.created
payment_intent.amount_capturable_updated
setup_intent.succeeded setup_intent.setup_failed setup_intent.created setup_intent.canceled
setup_intent.requires_action
payment_method.attached payment_method.updated payment_method.detached
charge.succeeded charge.failed charge.captured charge.refunded charge.refund.updated
charge.dispute.created charge.dispute.updated charge.dispute.closed
customer.created customer.updated customer.deleted
customer.source.created customer.source.updated
payout.created payout.updated balance.available
price.created price.updated product.created product.updated product.deleted
"""

pytestmark = pytest.mark.skipif(
    CLI is None, reason="the Stripe CLI is not here: set STRIPE_CLI to its path"
)


@pytest.fixture(scope="module")
def fresh(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """An account without debts, or a payout would find no money."""
    made = StandIn(tmp_path_factory.mktemp("cli") / "state.sqlite", receiver.url).start()
    yield made
    made.stop()


@pytest.mark.parametrize("event", EVENTS.split())
def test_trigger(fresh: StandIn, receiver: Receiver, tmp_path: Path, event: str) -> None:
    before = len(receiver.of(event))
    environment = {**os.environ, "STRIPE_CLI_TELEMETRY_OPTOUT": "1", "HOME": str(tmp_path)}
    ended = subprocess.run(
        [str(CLI), "trigger", event, "--api-base", fresh.url, "--api-key", KEY],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    until(lambda: len(receiver.of(event)) > before, event)

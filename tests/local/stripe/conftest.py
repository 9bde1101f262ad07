"""One stand-in for most tests; those that move its clock or end it start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stripe

from tests.local.stripe.helpers import Receiver, StandIn


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[StandIn]:
    made = StandIn(tmp_path_factory.mktemp("standin") / "state.sqlite", receiver.url).start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def client(standin: StandIn) -> stripe.StripeClient:
    return standin.client()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., StandIn]]:
    """Start a stand-in of one's own; `start(receiver_url, "--flag", …)`."""
    running: list[StandIn] = []

    def begin(webhook_url: str = "", *flags: str) -> StandIn:
        running.append(StandIn(tmp_path / "own.sqlite", webhook_url, *flags).start())
        return running[-1]

    yield begin
    for standin in running:
        standin.stop()

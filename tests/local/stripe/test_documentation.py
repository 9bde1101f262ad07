"""The documentation names what there is."""

from __future__ import annotations

from pathlib import Path

from billing.local.stripe.cards import CARDS, GROUPS
from billing.local.stripe.controls import CONTROLS
from billing.local.stripe.faults import KINDS

TEXT = (Path(__file__).parents[3] / "docs" / "stripe-stand-in.md").read_text()


def test_every_card_is_in_it() -> None:
    missing = [card.number for _, cards in GROUPS for card in cards if card.number not in TEXT]
    assert missing == []
    assert len(CARDS) > 70


def test_every_control_and_fault_is_in_it() -> None:
    paths = {path.replace("{id}", ":id") for _, path in CONTROLS}
    assert [path for path in sorted(paths) if path not in TEXT] == []
    assert [kind for kind in KINDS if f"`{kind}`" not in TEXT] == []

"""Which kinds of payment method a currency is offered, after the caller's filters."""

_BANK_OF_CURRENCY = {"eur": "sepa_debit", "usd": "us_bank_account", "gbp": "bacs_debit"}


def offered_types(
    currency: str, allowed: list[str] | None = None, excluded: list[str] | None = None
) -> list[str]:
    """Card, Link and the bank debit of the currency: those allowed and not excluded."""
    bank = _BANK_OF_CURRENCY.get(currency)
    offered = ["card", *([bank] if bank else []), "link"]
    if allowed:
        offered = [kind for kind in offered if kind in allowed]
    return [kind for kind in offered if kind not in (excluded or ())]

"""The tables of a made-up history, and the rows that a payment leaves in them."""

from __future__ import annotations

import json

from billing.ledger.domain import Account, Movement, lines_for, offline_lines
from billing.seed.copying import Table
from billing.seed.scene import Scene

_FEE = 0.029
_FEE_FIXED = 30
_FEE_CONVERSION = 0.01
DISPUTE_FEE = 1500
"""In cents, as everything here that is settled."""
NULL = "\\N"


class Books:
    """Charges, attempts and the ledger, row by row; every id is given here."""

    def __init__(self, scene: Scene, settled_in: str) -> None:
        self._scene = scene
        self._settled_in = settled_in
        self.charges = Table("charges", (
            "id", "kind", "status", "supporter_id", "pledge_id", "period", "months", "currency",
            "amount_minor", "fee_cover_minor", "refunded_minor", "due_at", "created_at",
            "settled_at", "stripe_customer_id", "stripe_payment_intent_id", "stripe_charge_id",
            "decline_code", "card_country", "source"))  # fmt: skip
        self.attempts = Table("attempts", (
            "charge_id", "number", "kind", "status", "idempotency_key", "params", "started_at",
            "last_sent_at", "key_since", "finished_at", "stripe_payment_intent_id", "error_code",
            "decline_code", "agreed_minor"))  # fmt: skip
        self.transactions = Table("ledger_transactions", (
            "id", "stripe_balance_transaction_id", "category", "charge_id", "stripe_charge_id",
            "occurred_at", "available_at", "recorded_at"))  # fmt: skip
        self.entries = Table(
            "ledger_entries",
            ("transaction_id", "account", "currency", "amount_minor", "occurred_at"),
        )
        self.refunds = Table("refunds", (
            "charge_id", "status", "amount_minor", "currency", "params", "requested_at",
            "stripe_refund_id", "changed_at", "asked_by", "left_minor", "idempotency_key",
        ))  # fmt: skip
        self.payouts = Table("payouts", (
            "id", "stripe_payout_id", "status", "automatic", "amount_minor", "currency",
            "created_at", "arrives_at", "movements", "difference_minor", "unposted",
            "reconciled_at",
        ))  # fmt: skip
        self.payout_lines = Table("payout_lines", ("payout_id", "transaction_id"))
        self._sources = [json.dumps(source) for source in scene.sources]
        self._transaction = 0
        self._charge = 0
        self._balance = 0
        self._payouts = 0
        self._paid_out = 0
        """Up to which transaction Stripe's balance has gone to the bank."""
        self._not_at_stripe: set[int] = set()
        """The transactions since then that Stripe knows nothing of."""

    @property
    def count(self) -> int:
        """How many charges there are."""
        return self._charge

    def new_charge(self) -> int:
        """The id of the next charge."""
        self._charge += 1
        return self._charge

    def write_charge(  # noqa: PLR0913 - a row has many columns
        self,
        charge: int,
        *,
        kind: str,
        status: str,
        supporter: int,
        pledge: str,
        period: str,
        months: int,
        currency: str,
        amount: int,
        cover: int,
        refunded: int,
        due: str,
        created: str,
        settled: str,
        decline: str,
        country: str,
        source: int,
        at_stripe: bool = True,
    ) -> None:
        """A charge as it ended; `settled` and `decline` are NULL where they do not apply."""
        paid = at_stripe and settled is not NULL
        customer = f"cus_{supporter:014d}" if at_stripe else NULL
        self.charges.lines.append(
            f"{charge}\t{kind}\t{status}\t{supporter}\t{pledge}\t{period}\t{months}\t{currency}"
            f"\t{amount}\t{cover}\t{refunded}\t{due}\t{created}\t{settled}\t{customer}\t"
            f"{f'pi_3{charge:023d}' if paid else NULL}\t{f'ch_3{charge:023d}' if paid else NULL}"
            f"\t{decline}\t{country}\t{self._sources[source]}\n"
        )

    def write_attempt(
        self, charge: int, number: int, kind: str, begun: str, ended: str, *, supporter: int,
        currency: str, amount: int, decline: str = NULL,
    ) -> None:  # fmt: skip
        """An attempt as it ended."""
        declined = decline is not NULL
        self.attempts.lines.append(
            f"{charge}\t{number}\t{kind}\t{'declined' if declined else 'succeeded'}"
            f"\ttuppence-attempt-{charge:012d}-{number}\t"
            f'{{"amount": {amount}, "currency": "{currency}", "customer": "cus_{supporter:014d}"}}'
            f"\t{begun}\t{begun}\t{begun}\t{ended}\t{f'pi_3{charge:023d}'}"
            f"\t{'card_declined' if declined else NULL}\t{decline}"
            f"\t{amount if kind == 'off_session' else NULL}\n"
        )

    def pay(self, charge: int, income: str, currency: str, amount: int, day: int, at: str) -> None:
        """The ledger's lines of a payment: what `lines_for` makes of it, written out."""
        settled_in = self._settled_in
        if currency == settled_in:
            settled = amount
            fee = min(settled, round(settled * _FEE) + _FEE_FIXED)
            income_line = f"{income}\t{currency}\t{-settled}"
            converted = ""
        else:
            settled = round(amount * self._scene.rates[currency][day])
            fee = min(settled, round(settled * (_FEE + _FEE_CONVERSION)) + _FEE_FIXED)
            income_line = f"{income}\t{currency}\t{-amount}"
            number = self._transaction + 1
            converted = (
                f"{number}\tconversion\t{settled_in}\t{-settled}\t{at}\n"
                f"{number}\tconversion\t{currency}\t{amount}\t{at}\n"
            )
        self._transaction += 1
        number = self._transaction
        self._balance += settled - fee
        self.transactions.lines.append(
            f"{number}\ttxn_3{number:023d}\tcharge\t{charge}\tch_3{charge:023d}\t{at}\t{at}\t{at}\n"
        )
        at_stripe = f"{number}\tstripe\t{settled_in}\t{settled - fee}\t{at}\n"
        self.entries.lines.append(
            f"{at_stripe if settled != fee else ''}"
            f"{number}\tfees\t{settled_in}\t{fee}\t{at}\n"
            f"{converted}{number}\t{income_line}\t{at}\n"
        )

    def post(self, category: str, charge: int | None, movement: Movement, at: str) -> None:
        """Any other movement, by the rules of the ledger."""
        self._transaction += 1
        number = self._transaction
        self._balance += movement.net
        ours = NULL if charge is None else f"{charge}"
        stripes = NULL if charge is None else f"ch_3{charge:023d}"
        self.transactions.lines.append(
            f"{number}\ttxn_3{number:023d}\t{category}\t{ours}\t{stripes}\t{at}\t{at}\t{at}\n"
        )
        self.entries.lines += [
            f"{number}\t{line.account}\t{line.currency}\t{line.minor}\t{at}\n"
            for line in lines_for(movement, Account.GIFTS)
        ]

    def back(
        self, category: str, charge: int, currency: str, amount: int, day: int, at: str, *,
        fee: int = 0,
    ) -> None:  # fmt: skip
        """Money that goes back (`amount` above 0), or returns (below)."""
        rate = 1.0 if currency == self._settled_in else self._scene.rates[currency][day]
        settled = round(amount * rate)
        movement = Movement(
            category=category,
            amount=-settled,
            fee=fee,
            net=-settled - fee,
            currency=self._settled_in,
            original_amount=-amount,
            original_currency=currency,
        )
        self.post(category, charge, movement, at)

    def refund(
        self, charge: int, currency: str, amount: int, day: int, at: str, *, asked_by: str = NULL
    ) -> None:
        """A refund that went through at once; begun on Stripe unless staff asked for it."""
        key = NULL if asked_by is NULL else f"tuppence-refund-{charge:012d}"
        left = NULL if asked_by is NULL else amount
        self.refunds.lines.append(
            f"{charge}\tsucceeded\t{amount}\t{currency}\t{{}}\t{at}\tre_3{charge:023d}\t{at}"
            f"\t{asked_by}\t{left}\t{key}\n"
        )
        self.back("refund", charge, currency, amount, day, at)

    def dispute(self, charge: int, currency: str, amount: int, day: int, at: str) -> None:
        """A dispute is opened: the money leaves."""
        self.back("dispute", charge, currency, amount, day, at, fee=DISPUTE_FEE)

    def post_offline(
        self, category: str, charge: int, currency: str, minor: int, at: str, entered: str
    ) -> None:
        """A gift that Stripe knows nothing of, or, below 0, what takes its entry back."""
        self._transaction += 1
        number = self._transaction
        self._not_at_stripe.add(number)
        self.transactions.lines.append(
            f"{number}\t{NULL}\t{category}\t{charge}\t{NULL}\t{at}\t{NULL}\t{entered}\n"
        )
        self.entries.lines += [
            f"{number}\t{line.account}\t{line.currency}\t{line.minor}\t{at}\n"
            for line in offline_lines(minor, currency)
        ]

    def pay_out(self, at: str) -> None:
        """Everything on Stripe's balance goes to the bank."""
        amount = self._balance
        if amount <= 0:
            return
        paid_out = range(self._paid_out + 1, self._transaction + 1)
        moved = [each for each in paid_out if each not in self._not_at_stripe]
        movement = Movement(
            category="payout",
            amount=-amount,
            fee=0,
            net=-amount,
            currency=self._settled_in,
            original_amount=-amount,
            original_currency=self._settled_in,
        )
        self.post("payout", None, movement, at)
        self._payouts += 1
        number = self._payouts
        self.payouts.lines.append(
            f"{number}\tpo_3{self._transaction:023d}\tpaid\tt\t{amount}\t{self._settled_in}\t{at}"
            f"\t{at}\t{len(moved)}\t0\t0\t{at}\n"
        )
        self.payout_lines.lines += [f"{number}\t{each}\n" for each in moved]
        self._paid_out = self._transaction
        self._not_at_stripe.clear()

    def tables(self) -> list[Table]:
        """All of them, those first that others refer to."""
        return [self.charges, self.attempts, self.transactions, self.entries, self.refunds,
                self.payouts, self.payout_lines]  # fmt: skip

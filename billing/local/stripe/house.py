"""What every request shares: the store, the clock, the routes, the courier and the faults."""

from dataclasses import dataclass

from billing.local.stripe.clockface import Clockface
from billing.local.stripe.faults import Faults
from billing.local.stripe.idempotency import Keys
from billing.local.stripe.router import Router
from billing.local.stripe.store import Store
from billing.local.stripe.webhooks import Courier
from billing.local.stripe.work import Account, Work


@dataclass
class House:
    """One running stand-in."""

    store: Store
    clock: Clockface
    account: Account
    router: Router
    keys: Keys
    courier: Courier
    faults: Faults
    base_url: str

    def work(self, now: int | None = None) -> Work:
        """A unit of work of the stand-in's own, outside any API request."""
        moment = self.clock.now() if now is None else now
        return Work(self.store, moment, self.account, self.base_url)

    def commit(self) -> None:
        """Write, and let the courier know that there may be events to deliver."""
        self.store.commit()
        self.courier.wake()

"""Which handler answers a method and path under /v1, and which parameters it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from billing.local.stripe.legacy import LEGACY
from billing.local.stripe.params import Params
from billing.local.stripe.schema import Schema, Shape, find_class, schema_of
from billing.local.stripe.store import Obj

Handler = Callable[..., Obj]
NO_PARAMS = Schema(fields={"expand": Shape(item=Shape(text=True))})


@dataclass(frozen=True)
class Route:
    """`path` has `*` for an id. `takes` names a class in `stripe.params`; `?` takes anything."""

    method: str
    path: str
    handler: Handler
    takes: str = ""

    def schema(self, *, legacy: bool) -> Schema | None:
        """The parameters accepted; None accepts whatever is sent."""
        if self.takes == "?":
            return None
        schema = schema_of(find_class(self.takes)) if self.takes else NO_PARAMS
        if legacy and self.takes in LEGACY:
            return Schema({**schema.fields, **LEGACY[self.takes]}, schema.required)
        return schema


class Router:
    """Looks a path up segment by segment."""

    def __init__(self, routes: list[Route]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
        for route in routes:
            parts = route.path.split("/")
            self._by_shape.setdefault((route.method, len(parts)), []).append((parts, route))

    def match(self, method: str, path: str) -> tuple[Route, list[str]] | None:
        """The route and the ids in the path; literal segments win over ids."""
        parts = path.split("/")
        best: tuple[Route, list[str]] | None = None
        for pattern, route in self._by_shape.get((method, len(parts)), ()):
            ids = [part for want, part in zip(pattern, parts, strict=True) if want == "*"]
            if all(want in ("*", part) for want, part in zip(pattern, parts, strict=True)) and (
                best is None or len(ids) < len(best[1])
            ):
                best = (route, ids)
        return best


def unused(params: Params) -> None:
    """For handlers that take no parameters."""
    del params

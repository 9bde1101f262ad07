"""An API request from its first byte to its answer: key, version, idempotency, handler, errors."""

import asyncio
import base64
import binascii
import json
import logging
import re
from dataclasses import dataclass, field

from aiohttp import web

from billing.local.stripe.errors import (
    ApiError,
    internal_error,
    invalid_request,
    unauthorized,
    unknown_path,
)
from billing.local.stripe.expand import expand
from billing.local.stripe.faults import AFTER, Plan, hang, reset, waited
from billing.local.stripe.forms import parse_form
from billing.local.stripe.house import House
from billing.local.stripe.idempotency import Remembered, fingerprint
from billing.local.stripe.ids import new_id
from billing.local.stripe.legacy import is_legacy
from billing.local.stripe.params import Params, check
from billing.local.stripe.router import Route
from billing.local.stripe.work import Work, public

log = logging.getLogger("standin")
_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(\.\w+)?(;.*)?$")
DEFAULT_VERSION = "2026-09-30.dahlia"


@dataclass
class Ask:
    """One request, understood."""

    route: Route
    ids: list[str]
    params: Params
    request_id: str
    key: str | None
    version: str | None
    fingerprint: str = ""


@dataclass
class Answer:
    """Status, JSON text and headers of a response."""

    status: int
    body: str
    request_id: str
    headers: dict[str, str] = field(default_factory=dict)
    keep: bool = False

    def response(self, ask: Ask | None = None) -> web.Response:
        """As aiohttp sends it."""
        headers = {"Request-Id": self.request_id, **self.headers}
        headers["Stripe-Version"] = (ask and ask.version) or DEFAULT_VERSION
        if ask and ask.key:
            headers["Idempotency-Key"] = ask.key
            headers.setdefault("Original-Request", self.request_id)
        return web.Response(
            status=self.status,
            body=self.body.encode(),
            headers=headers,
            content_type="application/json",
        )


async def serve(house: House, request: web.Request) -> web.StreamResponse:
    """Answer anything under /v1."""
    request_id = new_id("req")
    try:
        check_key(request)
        found = house.router.match(request.method, request.path.rstrip("/"))
        endpoint = f"{request.method} {found[0].path if found else request.path}"
        house.faults.admit(endpoint, waited(request))
        if found is None:
            raise unknown_path(request.method, request.path)
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        version = check_version(request.headers.get("Stripe-Version"))
        ask = Ask(*found, await read_params(request), request_id, key, version)
        return await _keyed(house, request, ask)
    except ApiError as error:
        return failure(error, request_id).response()


def check_key(request: web.Request) -> None:
    """A test key in Basic or Bearer form, or 401 as Stripe says it."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    key = value.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            raise unauthorized("") from None
    if not key.startswith(("sk_test_", "rk_test_")) or len(key) < 9:
        raise unauthorized(key)


def check_version(version: str | None) -> str | None:
    """A version as Stripe names them, or none at all."""
    if version is not None and not _VERSION.match(version):
        raise invalid_request(f"Invalid Stripe API version: {version}")
    return version


async def read_params(request: web.Request) -> Params:
    """The query and the form body, decoded but not typed yet."""
    params = parse_form(request.rel_url.raw_query_string)
    if request.method != "GET" and request.can_read_body:
        if request.content_type == "multipart/form-data":
            return params
        params |= parse_form(await request.text())
    return params


async def _keyed(house: House, request: web.Request, ask: Ask) -> web.StreamResponse:
    """Claim the idempotency key, if any, for as long as the request is being worked on."""
    if ask.key is None:
        return await _with_faults(house, request, ask)
    ask.fingerprint = fingerprint(request.method, request.path, ask.params)
    known = house.keys.start(ask.key, ask.fingerprint, ask.request_id, house.clock.now())
    if known is not None:
        replayed = {"Idempotent-Replayed": "true", "Original-Request": known.request_id}
        return Answer(known.status, known.body, ask.request_id, replayed).response(ask)
    try:
        return await _with_faults(house, request, ask)
    finally:
        house.keys.finish(ask.key, ask.request_id)


async def _with_faults(house: House, request: web.Request, ask: Ask) -> web.StreamResponse:
    plan = house.faults.plan(request.method, request.path)
    if plan.latency:
        await asyncio.sleep(plan.latency)
    if plan.kind in ("timeout_before", "reset_before"):
        return await _vanish(house, request, ask, plan)
    if plan.early_error is not None:
        answer = failure(plan.early_error, ask.request_id)
        if plan.kind == "error_500":
            _remember(house, ask, answer)
            house.commit()
    else:
        answer = run(house, ask, break_answer=plan.kind == "error_500_after")
    if plan.kind in AFTER and plan.kind != "error_500_after":
        return await _vanish(house, request, ask, plan)
    return answer.response(ask)


async def _vanish(house: House, request: web.Request, ask: Ask, plan: Plan) -> web.StreamResponse:
    """No answer. The key is let go: a lost answer must not keep a second try waiting."""
    if ask.key:
        house.keys.finish(ask.key, ask.request_id)
    if plan.kind and plan.kind.startswith("reset"):
        return reset(request)
    return await hang(request)


def run(house: House, ask: Ask, *, break_answer: bool = False) -> Answer:
    """Do the work in one transaction and keep, with it, the answer under its key."""
    work = Work(
        house.store,
        house.clock.now(),
        house.account,
        house.base_url,
        request_id=ask.request_id,
        idempotency_key=ask.key,
        legacy=is_legacy(ask.version),
    )
    answer = _handled(house, ask, work)
    if break_answer and answer.keep:
        answer = failure(internal_error(), ask.request_id)
        answer.keep = True
    if answer.keep:
        _remember(house, ask, answer)
        house.store.commit()
        if work.emitted:
            house.courier.wake()
    return answer


def _handled(house: House, ask: Ask, work: Work) -> Answer:
    try:
        return _succeed(ask, work)
    except ApiError as error:
        answer = failure(error, ask.request_id)
        answer.keep = error.keep
        if not error.keep:
            house.store.rollback()
        return answer
    except Exception:
        log.exception("a handler failed: %s %s", ask.route.method, ask.route.path)
        house.store.rollback()
        answer = failure(internal_error(), ask.request_id)
        answer.keep = True
        return answer


def _succeed(ask: Ask, work: Work) -> Answer:
    schema = ask.route.schema(legacy=work.legacy)
    params = ask.params if schema is None else check(ask.params, schema)
    paths = params.pop("expand", None) or []
    if schema is None:
        params.pop("expand", None)
    made = public(ask.route.handler(work, params, *ask.ids))
    body = json.dumps(expand(work, made, paths), separators=(",", ":"))
    return Answer(200, body, ask.request_id, keep=True)


def _remember(house: House, ask: Ask, answer: Answer) -> None:
    if ask.key is not None:
        kept = Remembered(answer.status, answer.body, ask.request_id)
        house.keys.remember(ask.key, ask.fingerprint, kept, house.clock.now())


def failure(error: ApiError, request_id: str) -> Answer:
    """An error as an answer."""
    body = json.dumps(error.body(request_id), separators=(",", ":"))
    return Answer(error.status, body, request_id, dict(error.headers))

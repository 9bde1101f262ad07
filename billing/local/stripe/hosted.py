"""The pages a payer sees: Checkout, 3D Secure. They work without JavaScript."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing.local.stripe import banks, intents, methods, sessions, setups
from billing.local.stripe.cards import GROUPS
from billing.local.stripe.currencies import shown
from billing.local.stripe.errors import ApiError
from billing.local.stripe.hosted_text import TEXTS, error_text, language_of
from billing.local.stripe.house import House
from billing.local.stripe.params import Params
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

TEMPLATES = Path(__file__).resolve().parents[3] / "templates" / "local" / "stripe"
PAGES = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_EXPIRY = re.compile(r"^\s*(\d{1,2})\s*/?\s*(\d{2}|\d{4})\s*$")


def add_routes(app: web.Application, house: House) -> None:
    """The hosted pages of this house."""

    async def show(request: web.Request) -> web.StreamResponse:
        return show_checkout(house, request)

    async def submit(request: web.Request) -> web.StreamResponse:
        return submit_checkout(house, request, await _form(request))

    async def show_secure(request: web.Request) -> web.StreamResponse:
        return secure_page(house, request)

    async def answer_secure(request: web.Request) -> web.StreamResponse:
        return submit_secure(house, request, await _form(request))

    app.router.add_get("/c/pay/{id}", show)
    app.router.add_post("/c/pay/{id}", submit)
    app.router.add_get("/c/3ds/{id}", show_secure)
    app.router.add_post("/c/3ds/{id}", answer_secure)


async def _form(request: web.Request) -> dict[str, str]:
    return dict(parse_qsl(await request.text(), keep_blank_values=True))


def render(template: str, status: int = 200, **values: Any) -> web.Response:
    """A page with headers that keep the outside out."""
    text = PAGES.get_template(template).render(**values)
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


def show_checkout(house: House, request: web.Request) -> web.Response:
    """GET /c/pay/:id, filled in with `?card=`."""
    session = house.store.find("checkout.session", request.match_info["id"])
    if session is None:
        return _notice(request, None, "unknown", 404)
    if session["status"] != "open":
        return _closed(request, session)
    intent = _intent(house, session)
    error = None
    if intent is not None:
        if intent["status"] == "requires_action":
            raise web.HTTPSeeOther(f"/c/3ds/{intent['id']}")
        error = intent.get("last_payment_error") or intent.get("last_setup_error")
    filled = {"number": request.query.get("card", ""), "email": session["customer_email"] or ""}
    if filled["number"]:
        filled.update(exp="12/34", cvc="123", name="Test Reader")
    return _page(house, request, session, filled, error)


def submit_checkout(house: House, request: web.Request, form: dict[str, str]) -> web.Response:
    """POST /c/pay/:id: pay once, whatever the number of clicks."""
    work = house.work()
    session = work.find("checkout.session", request.match_info["id"])
    if session is None:
        return _notice(request, None, "unknown", 404)
    if session["status"] == "complete":
        raise web.HTTPSeeOther(success_url(session))
    if session["status"] == "expired":
        return _closed(request, session)
    try:
        _pay(work, session, form)
    except ApiError as refused:
        if refused.keep:
            house.commit()
        else:
            house.store.rollback()
        return _page(house, request, session, form, refused.fields, 402)
    intent = _intent(house, session)
    target = (
        success_url(session)
        if session["status"] == "complete"
        else (f"/c/3ds/{intent['id']}" if intent else f"/c/pay/{session['id']}")
    )
    house.commit()
    raise web.HTTPSeeOther(target)


def _pay(work: Work, session: Obj, form: dict[str, str]) -> None:
    email = (session["customer_email"] or form.get("email", "")).strip()
    if "@" not in email and not session["customer"]:
        raise ApiError(
            400, "invalid_request_error", "Your email is incomplete.", code="email_invalid"
        )
    billing = {"email": email, "name": form.get("name", "").strip()}
    cards = "card" in session["payment_method_types"]
    bank = _bank_type(session) if form.get("method") == "bank" or not cards else None
    if bank:
        method = methods.create(work, _bank_params(bank, form, billing))
    else:
        method = methods.create(work, {**_card_params(form), "billing_details": billing})
    sessions.pay(work, session, method, slow_debit=bool(bank))


def _card_params(form: dict[str, str]) -> Params:
    expiry = _EXPIRY.match(form.get("exp", ""))
    month, year = (int(expiry[1]), int(expiry[2])) if expiry else (0, 0)
    card = {
        "number": form.get("number", ""),
        "exp_month": month,
        "exp_year": year,
        "cvc": form.get("cvc", "").strip(),
    }
    return {"type": "card", "card": card}


def _bank_params(kind: str, form: dict[str, str], billing: Params) -> Params:
    number = form.get("account", "").strip()
    if kind == "sepa_debit":
        details = {"iban": number or "DE89370400440532013000"}
    else:
        details = {"account_number": number or "000123456789"}
    return {"type": kind, kind: details, "billing_details": billing}


def _bank_type(session: Obj) -> str | None:
    return next((k for k in session["payment_method_types"] if k in methods.BANK_TYPES), None)


def _intent(house: House, session: Obj) -> Obj | None:
    if session["payment_intent"]:
        return house.store.find("payment_intent", session["payment_intent"])
    if session["setup_intent"]:
        return house.store.find("setup_intent", session["setup_intent"])
    return None


def success_url(session: Obj) -> str:
    """`success_url` with the session's id put in."""
    url: str = session["success_url"] or session["return_url"] or "/"
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _page(
    house: House,
    request: web.Request,
    session: Obj,
    filled: dict[str, str],
    error: dict[str, Any] | None,
    status: int = 200,
) -> web.Response:
    language, text = _language(request, session)
    return render(
        "pay.html",
        status,
        lang=language,
        t=text,
        session=session,
        filled=filled,
        error=error_text(error, language) if error else None,
        amount=shown_sum(session["amount_total"], session["currency"], language),
        groups=GROUPS,
        bank=_bank_type(session),
        items=session["_"]["items"],
        name=house.account.name,
        days=banks.SLOW.after // 86_400,
        button=text[_button(session)],
        shown=lambda amount, currency: shown_sum(amount, currency, language),
        cards="card" in session["payment_method_types"],
        keeps=session["_"]["payment_intent_data"].get("setup_future_usage")
        or session["mode"] == "setup",
    )


def _button(session: Obj) -> str:
    if session["mode"] == "setup":
        return "save"
    return session["submit_type"] if session["submit_type"] in ("donate", "book") else "pay"


def shown_sum(amount: int | None, currency: str, language: str) -> str:
    """A sum for people, '' when nothing is charged."""
    if amount is None:
        return ""
    text = shown(amount, currency).rpartition(" ")[0]
    if language == "ru":
        text = text.replace(",", "\u00a0").replace(".", ",")
    return f"{text} {currency.upper()}"


def _language(request: web.Request, session: Obj | None) -> tuple[str, dict[str, str]]:
    locale = session["locale"] if session else None
    language = language_of(locale, request.headers.get("Accept-Language", ""))
    return language, TEXTS[language]


def _closed(request: web.Request, session: Obj) -> web.Response:
    return _notice(request, session, "done" if session["status"] == "complete" else "expired")


def _notice(
    request: web.Request, session: Obj | None, what: str, status: int = 200
) -> web.Response:
    language, text = _language(request, session)
    link = None
    if session is not None:
        link = success_url(session) if what == "done" else session["cancel_url"]
    return render(
        "notice.html",
        status,
        lang=language,
        t=text,
        heading=text[f"{what}_heading"],
        words=text[f"{what}_text"],
        link=link,
        link_text=text["continue"] if what == "done" else text["back"],
    )


def secure_page(house: House, request: web.Request) -> web.Response:
    """GET /c/3ds/:id."""
    intent, session = _secured(house, request.match_info["id"])
    if intent is None:
        return _notice(request, None, "unknown", 404)
    if intent["status"] != "requires_action":
        raise web.HTTPSeeOther(_after_secure(house, intent, session))
    language, text = _language(request, session)
    amount = shown_sum(intent.get("amount"), intent.get("currency", ""), language)
    return render("secure.html", lang=language, t=text, intent=intent, amount=amount)


def submit_secure(house: House, request: web.Request, form: dict[str, str]) -> web.Response:
    """POST /c/3ds/:id with outcome=complete or outcome=fail."""
    work = house.work()
    intent, session = _secured(house, request.match_info["id"])
    if intent is None:
        return _notice(request, None, "unknown", 404)
    if intent["status"] == "requires_action":
        move = intents if intent["object"] == "payment_intent" else setups
        move.authenticated(work, intent, passed=form.get("outcome") == "complete")
        if session is not None:
            sessions.follow(work, session)
    target = _after_secure(house, intent, session)
    house.commit()
    raise web.HTTPSeeOther(target)


def _secured(house: House, object_id: str) -> tuple[Obj | None, Obj | None]:
    kind = "setup_intent" if object_id.startswith("seti_") else "payment_intent"
    intent = house.store.find(kind, object_id)
    if intent is None:
        return None, None
    return intent, next(house.store.linked("checkout.session", kind, object_id), None)


def _after_secure(house: House, intent: Obj, session: Obj | None) -> str:
    if session is not None:
        done = session["status"] == "complete"
        return success_url(session) if done else f"/c/pay/{session['id']}"
    return_url: str | None = intent["_"].get("return_url")
    if not return_url:
        return "/"
    kind = intent["object"]
    failed = intent["status"] in ("requires_payment_method", "canceled")
    parts = urlsplit(return_url)
    query = [
        *parse_qsl(parts.query),
        (kind, intent["id"]),
        (f"{kind}_client_secret", intent["client_secret"]),
        ("redirect_status", "failed" if failed else "succeeded"),
    ]
    target: str = urlunsplit(parts._replace(query=urlencode(query)))
    return target

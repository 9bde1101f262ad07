"""The support page, the way back from Stripe, and the thank-you page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import force_locale
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response

from billing.charges.letters import MANAGE_LINK, pledge_url
from billing.checkout import forms
from billing.checkout.again import Choices, get_choices
from billing.checkout.domain import OFFERS, fee_cover_for
from billing.checkout.errors import CheckoutUnavailableError, StaleFormError
from billing.checkout.forms import Problem, SupportForm, Wish
from billing.checkout.fulfil import Outcome, Return, look
from billing.checkout.panels import fee_examples, own_amount, panels
from billing.checkout.referrers import kind_of
from billing.checkout.start import THANKS_LINK, SupportRequest, start_checkout
from billing.checkout.steps import ReaderStep, note
from billing.checkout.words import explain, name_of_currency, title_for
from billing.l10n import current_language, gettext
from billing.money import Money
from billing.web import runtime

blueprint = Blueprint("checkout", __name__)


@blueprint.get("/support")
def support() -> Response:
    """The form, filled in as far as the link that led here says."""
    form = _read(request.args)
    if "referrer" not in form.source:
        came_from = kind_of(request.referrer, request.host.partition(":")[0])
        form = replace(form, source={**form.source, "referrer": came_from.value})
    if request.method == "GET":
        note(runtime(), ReaderStep.OPENED, form.source)
    return _form_page(form)


@blueprint.post("/support")
def send() -> Response:
    """Judge the form and lead on to Stripe's page; write nothing unless all is in order."""
    form = _read(request.form)
    if request.form.get("action") == "currency":
        return _form_page(form)
    currencies = runtime().settings.newsroom.currencies
    if form.changes_currency and form.currency in currencies and not form.amount.strip():
        return _form_page(form, notice=_currency_notice(form))
    judged = forms.judge(form, currencies)
    if not isinstance(judged, Wish):
        return _form_page(form, problems=judged, status=422)
    if form.changes_currency:
        return _form_page(form, notice=_currency_notice(form))
    return _start(form, judged)


@blueprint.errorhandler(CSRFError)
def refused(_: CSRFError) -> Response:
    """The form could not prove where it came from: show it again with a fresh proof."""
    return _form_page(
        _read(request.form),
        status=400,
        notice=gettext(
            "This page had been open too long, or your browser keeps no cookies for this site. "
            "Nothing was sent or charged. Please press the button once more; if this message "
            "comes back, allow cookies for this page."
        ),
    )


@blueprint.get("/support/back/<token>")
def back(token: str) -> Response:
    """The support page for someone who left Stripe's page, with the choices kept."""
    parts = runtime()
    checkout_id = parts.links.read(THANKS_LINK, token)
    if look(parts, checkout_id).outcome in (Outcome.PAID, Outcome.PROCESSING):
        return redirect(url_for("checkout.thanks", token=token), 303)
    choices = get_choices(parts, checkout_id)
    with force_locale(_language_of(choices.language)):
        return _form_page(
            _as_form(choices),
            notice=gettext(
                "You came back without paying, and nothing was charged. Your choices are still "
                "here."
            ),
        )


@blueprint.get("/thanks/<token>")
def thanks(token: str) -> Response:
    """What became of the payment, as far as is known at this moment."""
    parts = runtime()
    result = look(parts, parts.links.read(THANKS_LINK, token))
    with force_locale(_language_of(result.language)):
        return _page(
            render_template(
                "checkout/thanks.html",
                result=result,
                token=token,
                again_url=_again_url(result, token),
            )
        )


def _again_url(result: Return, token: str) -> str:
    """Where the choices can be made once more."""
    if result.prepays_pledge_id is not None:
        return pledge_url(runtime(), MANAGE_LINK, result.prepays_pledge_id)
    return url_for("checkout.back", token=token, lang=current_language())


def _read(fields: Mapping[str, str]) -> SupportForm:
    return forms.read_form(fields, default_currency=runtime().settings.newsroom.currencies[0])


def _start(form: SupportForm, wish: Wish) -> Response:
    parts = runtime()
    cover = fee_cover_for(wish.amount, wish.offer) if form.cover_fee else None
    wanted = SupportRequest(
        form_key=form.form_key,
        cadence=wish.cadence,
        amount=wish.amount,
        fee_cover=cover or Money(0, wish.amount.currency),
        language=current_language(),
        title=title_for(wish.cadence, parts.settings.newsroom.name),
        source=form.source,
    )
    try:
        return redirect(start_checkout(parts, wanted), 303)
    except StaleFormError:
        return _form_page(forms.renewed(form), status=409, notice=_stale_notice())
    except CheckoutUnavailableError as error:
        # Stripe keeps an answer under its key for a day, a 500 too: the next try needs another.
        # Nobody was shown the address of that page. Where there was no answer, the key finds it.
        again = forms.renewed(form) if error.answered else form
        return _form_page(again, status=503, notice=_unavailable_notice())


def _form_page(
    form: SupportForm, *, problems: list[Problem] | None = None, status: int = 200, notice: str = ""
) -> Response:
    currencies = runtime().settings.newsroom.currencies
    shown = forms.complete(form, currencies)
    offer = OFFERS[shown.currency]
    html = render_template(
        "checkout/support.html",
        form=shown,
        offer=offer,
        minimum=Money(offer.minimum, offer.currency),
        panels=panels(shown, offer),
        fee_examples=fee_examples(offer),
        own=own_amount(shown, offer),
        currencies=[(code, name_of_currency(code)) for code in currencies],
        problems=[(problem.field.value, explain(problem, offer)) for problem in problems or []],
        notice=notice,
    )
    return _page(html, status)


def _page(html: str, status: int = 200) -> Response:
    """A page about one person: no cache on a shared machine keeps it."""
    response = make_response(html, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _as_form(choices: Choices) -> SupportForm:
    written = forms.as_written(choices.amount)
    return SupportForm(
        form_key="",
        cadence=choices.cadence,
        currency=choices.amount.currency,
        shown_currency=choices.amount.currency,
        picked={choices.cadence: ""},
        amount=written,
        cover_fee=choices.covers_fee,
        source=choices.source,
    )


def _language_of(remembered: str) -> str:
    """The language chosen by link, or else that of the checkout: cookies may be gone by now."""
    return current_language() if "lang" in request.args else remembered


def _currency_notice(form: SupportForm) -> str:
    return gettext(
        "The amounts are now in %(currency)s. Please look them over and continue.",
        currency=name_of_currency(form.currency),
    )


def _stale_notice() -> str:
    return gettext(
        "This form had been sent before, and its payment page has closed since. Nothing was "
        "charged. Your choices are still here: press the button to open a new payment page."
    )


def _unavailable_notice() -> str:
    return gettext(
        "The payment service does not answer at this moment. Nothing was charged. Your choices "
        "are still here: please try again in a minute."
    )

"""What asks for the passkey again, and where one comes back to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from flask import Blueprint, Flask, request
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

from billing.app import create_app
from billing.runtime import Runtime
from billing.settings import Settings
from billing.staff.asking import now
from billing.staff.domain import STEP_UP_LASTS, Role, is_fresh
from billing.staff.guard import requires, signed_in
from billing.staff.step_up import ask_now, step_up
from tests.support.authenticator import Authenticator
from tests.support.staff import staff_client, verify

Advance = Callable[[timedelta], datetime]
pages = Blueprint("trial", __name__, url_prefix="/staff/trial")


@pages.get("/export")
@requires(Role.ADMIN)
@step_up()
def export() -> str:
    return f"everything of {request.args.get('month')}"


@pages.get("/charges/<int:charge_id>")
@requires(Role.DESK)
def charge(charge_id: int) -> str:
    return f"charge {charge_id}"


@pages.post("/charges/<int:charge_id>/refund/<reason>")
@requires(Role.DESK)
def refund(charge_id: int, reason: str) -> str | Response:
    large = int(request.form["amount"]) > 100
    if large and not is_fresh(signed_in().verified_at, now()):
        return ask_now(back="trial.charge")
    return f"{charge_id} given back: {reason}"


@pytest.fixture
def trial(settings: Settings, runtime: Runtime) -> Flask:
    """The application with pages that ask."""
    app = create_app(settings, runtime)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    app.register_blueprint(pages)
    return app


@pytest.fixture
def ada(trial: Flask) -> FlaskClient:
    return trial.test_client()


@pytest.fixture
def device(ada: FlaskClient, runtime: Runtime) -> Authenticator:
    """Ada's passkey, with which she has just signed in."""
    return staff_client(ada, runtime)


def test_a_page_that_asks_comes_back_with_its_question(
    ada: FlaskClient, device: Authenticator, advance: Advance
) -> None:
    path = "/staff/trial/export?month=11&year=2026"
    assert ada.get(path).text == "everything of 11"
    advance(STEP_UP_LASTS)
    asked = ada.get(path)
    assert asked.status_code == HTTPStatus.SEE_OTHER
    assert "form=1" not in asked.location
    page = ada.get(asked.location).text
    assert "/staff/trial/export?month=11&amp;year=2026" in page
    assert "Nothing has been changed yet" not in page
    back = verify(ada, device, to=path)
    assert back.location == path
    assert ada.get(path).text == "everything of 11"


def test_whoever_may_not_is_refused_before_being_asked(
    trial: Flask, runtime: Runtime, advance: Advance
) -> None:
    dan = trial.test_client()
    staff_client(dan, runtime, Role.DESK, "Dan")
    advance(STEP_UP_LASTS)
    assert dan.get("/staff/trial/export").status_code == HTTPStatus.FORBIDDEN


def test_an_action_may_ask_only_at_times(
    ada: FlaskClient, device: Authenticator, advance: Advance
) -> None:
    advance(STEP_UP_LASTS)
    path = "/staff/trial/charges/7/refund/twice"
    assert ada.post(path, data={"amount": "100"}).text == "7 given back: twice"
    asked = ada.post(path, data={"amount": "101"})
    assert asked.location == "/staff/verify?next=/staff/trial/charges/7&form=1"
    verify(ada, device)
    assert ada.post(path, data={"amount": "101"}).text == "7 given back: twice"

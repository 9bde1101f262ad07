"""The web application: wiring only."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_babel import Babel
from flask_wtf import CSRFProtect

from billing import l10n, pages, site
from billing.accounts import views as accounts_views
from billing.appeals import views as appeals_views
from billing.charges import cancel_views, views as charges_views
from billing.checkout import mend_views, views as checkout_views
from billing.desk import (
    gift_views,
    money_views,
    pledge_views,
    reminder_views,
    views as desk_views,
    warning_views,
)
from billing.digest import views as digest_views
from billing.reminders import views as reminders_views
from billing.revenue import (
    ground_pages,
    money_pages as income_views,
    pages as figures_views,
    people_list_pages,
    people_pages,
    views as revenue_views,
)
from billing.revenue.exports import views as export_views
from billing.revenue.journal import views as journal_views
from billing.runtime import Runtime, build_runtime
from billing.settings import Settings
from billing.staff import (
    audit_views as staff_audit_views,
    guard as staff_guard,
    link_views as staff_link_views,
    member_views as staff_member_views,
    passkey_views as staff_passkey_views,
    views as staff_views,
)
from billing.templating import require_templates
from billing.web import EXTENSION, choose_language

ROOT = Path(__file__).resolve().parent.parent


def create_app(settings: Settings, runtime: Runtime | None = None) -> Flask:
    """The web application for one newsroom. Opens no connection yet.

    It makes its own working parts unless it is given those of somebody else.

    Raises:
        BrokenTemplatesError: when a template is missing or broken.
    """
    require_templates()
    app = Flask(
        __name__,
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "billing" / "static"),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="tuppence",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https://"),
        MAX_CONTENT_LENGTH=64 * 1024,
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        WTF_CSRF_SSL_STRICT=False,
        BABEL_DEFAULT_LOCALE=settings.newsroom.languages[0],
        BABEL_TRANSLATION_DIRECTORIES=str(ROOT / "billing" / "translations"),
    )
    app.extensions[EXTENSION] = runtime or build_runtime(settings)
    Babel(app, locale_selector=choose_language)
    csrf = CSRFProtect(app)
    csrf.exempt(charges_views.blueprint)
    app.register_blueprint(charges_views.blueprint)
    csrf.exempt(reminders_views.one_click)
    app.register_blueprint(reminders_views.blueprint)
    app.register_blueprint(reminders_views.one_click)
    app.register_blueprint(checkout_views.blueprint)
    app.register_blueprint(cancel_views.blueprint)
    app.register_blueprint(mend_views.pay)
    app.register_blueprint(mend_views.card)
    app.register_blueprint(accounts_views.blueprint)
    csrf.exempt(appeals_views.counted)
    appeals_views.register(app)
    app.register_blueprint(site.blueprint)
    app.register_blueprint(staff_views.blueprint)
    app.register_blueprint(staff_link_views.blueprint)
    app.register_blueprint(staff_passkey_views.blueprint)
    app.register_blueprint(staff_member_views.blueprint)
    app.register_blueprint(staff_audit_views.blueprint)
    app.register_blueprint(revenue_views.blueprint)
    app.register_blueprint(figures_views.blueprint)
    app.register_blueprint(income_views.blueprint)
    app.register_blueprint(desk_views.blueprint)
    app.register_blueprint(pledge_views.blueprint)
    app.register_blueprint(money_views.blueprint)
    app.register_blueprint(gift_views.blueprint)
    app.register_blueprint(warning_views.blueprint)
    app.register_blueprint(reminder_views.blueprint)
    app.register_blueprint(export_views.blueprint)
    app.register_blueprint(journal_views.blueprint)
    csrf.exempt(digest_views.one_click)
    app.register_blueprint(digest_views.blueprint)
    app.register_blueprint(digest_views.public)
    app.register_blueprint(digest_views.one_click)
    app.register_blueprint(people_pages.blueprint)
    app.register_blueprint(people_list_pages.blueprint)
    app.register_blueprint(ground_pages.blueprint)
    staff_guard.register(app)
    l10n.register(app)
    pages.register(app)
    return app

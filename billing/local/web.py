"""The application as `tuppence run` serves it: the real one, and the pages of local mode."""

from __future__ import annotations

import os

from billing.app import create_app
from billing.local import clock_page, demo
from billing.logs import configure_logs
from billing.settings import read_settings

configure_logs()
app = create_app(read_settings(os.environ))
app.register_blueprint(clock_page.blueprint)
app.register_blueprint(demo.blueprint)

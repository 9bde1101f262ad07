"""What a web server serves: the application, configured by the environment."""

from __future__ import annotations

import os
import sys

from billing.app import create_app
from billing.logs import configure_logs
from billing.settings import SettingsError, read_settings
from billing.templating import BrokenTemplatesError

configure_logs()
try:
    app = create_app(read_settings(os.environ))
except (SettingsError, BrokenTemplatesError) as error:
    sys.exit(str(error))

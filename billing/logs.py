"""Readable logs: one line an event, named fields, never anything about a person."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs() -> None:
    """Send our own log lines, and those of the libraries from INFO up, to standard error."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event", "level"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    for library in ("stripe", "fido2"):  # they name requests and credentials at INFO
        logging.getLogger(library).setLevel(logging.WARNING)

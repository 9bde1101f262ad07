"""How the stand-in is started: flags, each with an environment variable `STANDIN_…`."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SECRET = "whsec_standin_local_only"  # noqa: S105 - signs nothing but local tests


@dataclass(frozen=True)
class Settings:
    """One run's settings."""

    host: str
    port: int
    state: str
    webhook_url: str | None
    webhook_secret: str
    clock_file: Path | None
    account_currency: str
    account_name: str
    statement_descriptor: str
    public_url: str | None

    def base_url(self, port: int) -> str:
        """Where browsers find the hosted pages; `port` is the one listened on."""
        return (self.public_url or f"http://{self.host}:{port}").rstrip("/")


def read_settings(arguments: list[str] | None = None) -> Settings:
    """From the command line, then the environment, then the defaults."""
    given = _parser().parse_args(arguments)
    return Settings(
        host=given.host,
        port=given.port,
        state=given.state,
        webhook_url=given.webhook_url or None,
        webhook_secret=given.webhook_secret,
        clock_file=Path(given.clock_file) if given.clock_file else None,
        account_currency=given.account_currency.lower(),
        account_name=given.account_name,
        statement_descriptor=given.statement_descriptor,
        public_url=given.public_url or None,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m billing.local.stripe",
        description="A local stand-in for Stripe. Every flag can be given as STANDIN_<FLAG>.",
    )
    _flag(parser, "--host", "127.0.0.1", "address to listen on")
    _flag(parser, "--port", "8001", "port to listen on (0 picks a free one)", int)
    _flag(parser, "--state", ":memory:", "SQLite file that keeps everything")
    _flag(parser, "--webhook-url", "", "where events are sent; empty sends none")
    _flag(parser, "--webhook-secret", DEFAULT_SECRET, "signs them")
    _flag(parser, "--clock-file", "", "file with an offset in seconds, shared with others")
    _flag(parser, "--account-currency", "usd", "the currency sums are settled in")
    _flag(parser, "--account-name", "Local newsroom", "the name on the hosted pages")
    _flag(parser, "--statement-descriptor", "TUPPENCE", "prefix on card statements")
    _flag(parser, "--public-url", "", "the address browsers use, when it is another")
    return parser


def _flag(
    parser: argparse.ArgumentParser, name: str, default: str, says: str, kind: type = str
) -> None:
    variable = "STANDIN_" + name.removeprefix("--").replace("-", "_").upper()
    parser.add_argument(
        name,
        default=kind(os.environ.get(variable, default)),
        type=kind,
        help=f"{says} (default: {default or 'none'}; {variable})",
    )

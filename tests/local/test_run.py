"""`tuppence run` as somebody types it: ready in one go, faults in one line, nothing left over.

That it stops when it is told to is proved at the end of the story in `tests/journeys`.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from billing.cli import main
from tests.support.newsroom import COMMAND, PARTS, Newsroom, gone

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """A newsroom whose home stays from test to test, as it does from day to day."""
    newsroom = Newsroom(tmp_path_factory.mktemp("home"))
    yield newsroom
    if newsroom.runs:
        newsroom.stop()


@pytest.fixture
def newsroom(home: Newsroom) -> Newsroom:
    """The same, running: started anew where an earlier test has ended it."""
    if not home.runs:
        home.start()
    return home


def _try(**environ: str) -> tuple[int, str]:
    """`tuppence run` where it cannot: its exit code, and all that it says."""
    refused = CliRunner().invoke(main, "run", env=environ, catch_exceptions=False)
    return refused.exit_code, refused.output


def _people(newsroom: Newsroom) -> str:
    """What an audit without a fault says of those whose data it looked at."""
    audit = newsroom.tuppence("audit")
    assert audit.exit_code == 0, audit.stdout
    return audit.stdout.splitlines()[9].split(":")[1]


def test_after_a_killed_run_the_next_one_finds_everything_in_order(newsroom: Newsroom) -> None:
    secrets = (newsroom.home / "secrets.json").read_text()
    people = _people(newsroom)
    family = newsroom.family()
    assert newsroom.end(signal.SIGKILL) == -signal.SIGKILL
    newsroom.start()
    assert gone(family)
    assert (newsroom.home / "secrets.json").read_text() == secrets
    assert _people(newsroom) == people != " 0 looked at"


def test_what_it_prints_is_where_it_is(newsroom: Newsroom) -> None:
    assert len(newsroom.family()) >= len(PARTS)
    for address in (newsroom.web, newsroom.stripe, newsroom.mail):
        assert address in newsroom.said()
    assert requests.get(f"{newsroom.web}/local/clock", timeout=10).status_code == 200


def test_a_second_one_in_the_same_home_is_refused_in_one_line(newsroom: Newsroom) -> None:
    refused = subprocess.run(
        COMMAND,
        env=newsroom.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert refused.stdout.count("\n") == 1
    assert "already running" in refused.stdout


def test_when_a_part_dies_it_stops_the_others_and_the_next_run_finds_everything(
    newsroom: Newsroom,
) -> None:
    family, people = newsroom.family(), _people(newsroom)
    newsroom.part("mail").kill()
    assert newsroom.end() == 1
    assert "mail ended unexpectedly (killed by SIGKILL). Stopping everything." in newsroom.said()
    assert gone(family)
    newsroom.start()
    assert _people(newsroom) == people


def test_ctrl_c_stops_it_even_when_parts_hang(newsroom: Newsroom) -> None:
    family = newsroom.family()
    for name in ("worker", "mail"):
        newsroom.part(name).suspend()
    newsroom.process.send_signal(signal.SIGINT)
    newsroom.hear("Stopping")
    assert newsroom.end(signal.SIGINT) == 0
    assert gone(family)


@pytest.mark.parametrize(
    "setting", ["TUPPENCE_WEB_PORT", "TUPPENCE_STRIPE_PORT", "TUPPENCE_MAIL_PORT"]
)
def test_a_taken_port_is_one_line_that_names_its_setting(tmp_path: Path, setting: str) -> None:
    ports = {name: value for name, value in Newsroom(tmp_path).environ.items() if "_PORT" in name}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = _try(**{**ports, setting: port, "TUPPENCE_HOME": str(tmp_path)})
    assert code == 1
    assert said.count("\n") == 1
    assert port in said
    assert setting in said


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc"])
def test_a_live_key_is_refused(tmp_path: Path, key: str) -> None:
    code, said = _try(STRIPE_API_KEY=key, TUPPENCE_HOME=str(tmp_path))
    assert code == 1
    assert said.count("\n") == 1
    assert "live key" in said
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_no_number_is_refused(tmp_path: Path) -> None:
    code, said = _try(TUPPENCE_WEB_PORT="http", TUPPENCE_HOME=str(tmp_path))
    assert code == 1
    assert said == "TUPPENCE_WEB_PORT is “http”; a port is a number from 1 to 65535.\n"

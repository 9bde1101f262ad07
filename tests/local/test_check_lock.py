"""The lock checker finds a lock that is not in step, without asking any index."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

_ROOT = Path(__file__).resolve().parents[2]
_FILES = ("pyproject.toml", "requirements.lock", "requirements-dev.lock")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in _FILES:
        shutil.copy(_ROOT / name, tmp_path)
    return tmp_path


def _check(project: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, _ROOT / "tools" / "check_lock.py", project],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _edit(file: Path, change: Callable[[str], str]) -> None:
    before = file.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    file.write_text(after, encoding="utf-8")


def test_the_lock_of_this_project_is_in_step(project: Path) -> None:
    assert _check(project) == (0, "")


def test_a_new_dependency_must_be_locked(project: Path) -> None:
    _edit(
        project / "pyproject.toml", lambda text: text.replace('"alembic', '"httpx>=1",\n"alembic')
    )
    code, said = _check(project)
    assert code == 1
    assert "pyproject.toml needs httpx>=1, which is not pinned" in said
    assert "make lock" in said


def test_a_pin_must_satisfy_what_is_asked_for(project: Path) -> None:
    _edit(project / "pyproject.toml", lambda text: re.sub(r'"Flask>=[\d.]+"', '"Flask>=99"', text))
    assert "needs Flask>=99, but" in _check(project)[1]


def test_what_a_dependency_needs_must_be_locked_too(project: Path) -> None:
    _edit(
        project / "requirements.lock",
        lambda text: re.sub(r"^werkzeug==.*\n(    .*\n)+", "", text, flags=re.MULTILINE),
    )
    code, said = _check(project)
    assert code == 1
    assert "flask needs werkzeug" in said


def test_a_development_tool_must_be_locked_too(project: Path) -> None:
    _edit(project / "pyproject.toml", lambda text: text.replace('"ruff>', '"black>=1",\n"ruff>'))
    assert "requirements-dev.lock: pyproject.toml needs black>=1" in _check(project)[1]


def test_every_entry_has_a_hash(project: Path) -> None:
    _edit(
        project / "requirements.lock",
        lambda text: re.sub(r"^(flask==[\d.]+) \\\n(    .*\n)+", r"\1\n", text, flags=re.MULTILINE),
    )
    assert "requirements.lock: flask has no hash" in _check(project)[1]


def test_both_locks_agree(project: Path) -> None:
    _edit(
        project / "requirements-dev.lock",
        lambda text: re.sub(r"^click==[\d.]+", "click==8.2.0", text, flags=re.MULTILINE),
    )
    assert re.search(r"click is [\d.]+ in requirements.lock, but 8.2.0", _check(project)[1])


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url file:///opt/wheels",
        "--find-links wheels",
        "flask @ https://packages.example/flask.whl",
    ],
)
def test_no_address_or_path_stands_in_it(project: Path, line: str) -> None:
    _edit(project / "requirements.lock", lambda text: f"{line}\n{text}")
    code, said = _check(project)
    assert code == 1
    assert "a lock names no index, address or path" in said

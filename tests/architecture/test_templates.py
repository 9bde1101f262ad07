"""Every template that is asked for is known at the start, and a missing one is named."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from billing.templating import (
    EMAILS,
    FOLDER,
    PAGES,
    BrokenTemplatesError,
    missing_templates,
    require_templates,
)

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z_]+/[a-z_/]+\.(html|js)")


def rendered() -> set[str]:
    """Every template that some module of ours names."""
    found = set()
    for path in (ROOT / "billing").rglob("*.py"):
        if "local" in path.parts or path.name == "templating.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and NAME.fullmatch(text):
                found.add(text)
    return found


def test_the_list_of_pages_is_that_of_the_views() -> None:
    assert set(PAGES) == rendered()


def test_the_list_of_emails_is_that_of_the_folders() -> None:
    assert set(EMAILS) == {path.name for path in (FOLDER / "emails").iterdir() if path.is_dir()}


def test_nothing_is_missing_here() -> None:
    assert missing_templates() == []


@pytest.mark.parametrize(
    "name",
    ["checkout/support.html", "layout.html", "components/give.html", "emails/receipt/body.txt"],
)
@pytest.mark.parametrize("harm", ["gone", "broken"])
def test_a_missing_or_broken_template_is_named(tmp_path: Path, name: str, harm: str) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(FOLDER, folder)
    if harm == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_text("{% if %}")
    with pytest.raises(BrokenTemplatesError, match=re.escape(name)):
        require_templates(folder)


def start(code: str, environment: dict[str, str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("entry", ["billing.wsgi", "workers.celery_app"])
def test_a_missing_setting_stops_the_start_in_plain_words(
    environment: dict[str, str], tmp_path: Path, entry: str
) -> None:
    path = {"PYTHONPATH": str(ROOT)}
    well = start(f"import {entry}", {**environment, **path}, tmp_path)
    assert well.returncode == 0, well.stderr
    ill = start(f"import {entry}", {**environment, **path, "SECRET_KEY": ""}, tmp_path)
    assert ill.returncode == 1
    assert "SECRET_KEY is not set" in ill.stderr
    assert "Traceback" not in ill.stderr

"""Habits of the house that no linter holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path for folder in ("billing", "workers") for path in sorted((ROOT / folder).rglob("*.py"))
]


def test_nothing_of_ours_is_imported_inside_a_function() -> None:
    lazy = []
    for path in SOURCES:
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                lazy += [
                    f"{path.relative_to(ROOT)}:{node.lineno}"
                    for node in ast.walk(function)
                    if isinstance(node, ast.Import | ast.ImportFrom)
                ]
    assert lazy == []


def test_only_the_gateway_and_the_stand_in_know_stripes_library() -> None:
    knows = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] == "stripe" for name in names):
                knows.add(path.relative_to(ROOT).as_posix())
    assert {name for name in knows if not name.startswith("billing/local/stripe/")} == {
        "billing/gateway.py"
    }


def test_the_domain_is_pure() -> None:
    allowed = {"__future__", "calendar", "collections", "dataclasses", "datetime", "dateutil",
               "decimal", "enum", "fractions", "math", "re", "types", "typing", "unicodedata",
               "zoneinfo"}  # fmt: skip
    for path in SOURCES:
        if path.name != "domain.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                pure = module.endswith(".domain") or module == "billing.money"
                assert pure or module.split(".")[0] in allowed, f"{path}: {module}"
            elif isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    decisions = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert re.findall(r"\]\((.*)\)", index) == decisions


def test_the_guide_to_the_revenue_pages_names_every_module() -> None:
    folder = ROOT / "billing" / "revenue"
    modules = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "revenue.md").read_text(), re.MULTILINE)
    named = [name for cell in table for name in re.findall(r"`([\w/]+\.py)`", cell)]
    assert sorted(named) == sorted(name for name in modules if not name.endswith("__init__.py"))

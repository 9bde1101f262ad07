"""Every queue has a consumer, every scheduled task exists, and tasks stay thin."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from billing.local.parts import charges_part, worker_part
from workers.schedule import QUEUES, ROUTES, ahead, schedule

ROOT = Path(__file__).resolve().parents[2]
TASK_FILES = [
    path for path in (ROOT / "workers").glob("*.py")
    if "from workers.celery_app import app" in path.read_text()
]  # fmt: skip


def tasks() -> dict[str, ast.FunctionDef]:
    """Every Celery task by its name, read from the source."""
    found = {}
    for path in TASK_FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and any(
                "app.task" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                found[f"workers.{path.stem}.{node.name}"] = node
    return found


def test_every_scheduled_task_exists() -> None:
    assert {entry["task"] for entry in schedule(60).values()} <= tasks().keys()


def test_every_route_leads_from_a_task_to_a_queue() -> None:
    assert ROUTES.keys() <= tasks().keys()
    assert {route["queue"] for route in ROUTES.values()} <= set(QUEUES)


def test_every_task_is_started_by_somebody() -> None:
    sources = "".join(path.read_text() for path in TASK_FILES)
    scheduled = {entry["task"] for entry in schedule(60).values()}
    for name in tasks().keys() - scheduled:
        sent = rf"\b{name.rpartition('.')[2]}\.(delay|apply_async)\("
        assert re.search(sent, sources), f"nobody sends {name}"


def consumed(command: str) -> set[str]:
    """The queues that a worker's command names; one that names none takes all of them."""
    found = re.search(r"(?:-Q|--queues)[ =]([\w,]+)", command)
    return set(found[1].split(",")) if found else set(QUEUES)


def local_workers() -> list[str]:
    """The commands of all workers that `tuppence run` starts."""
    plan = ast.unparse(ast.parse((ROOT / "billing/local/run.py").read_text()))
    started = [charges_part, worker_part]
    assert all(f"parts.{part.__name__}()" in plan for part in started)
    return [" ".join(part().command) for part in started]


def deployed_workers() -> list[str]:
    """The commands of all workers in docker-compose.yml."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    commands = [
        " ".join(command) if isinstance(command, list) else command
        for service in services.values()
        for command in [service.get("command", "")]
    ]
    return [command for command in commands if re.search(r"celery.* worker", command)]


@pytest.mark.parametrize("workers", [local_workers, deployed_workers])
def test_every_queue_has_a_consumer(workers: Callable[[], list[str]]) -> None:
    assert set.union(*map(consumed, workers())) == set(QUEUES)


@pytest.mark.parametrize("workers", [local_workers, deployed_workers])
def test_who_takes_money_does_nothing_else(workers: Callable[[], list[str]]) -> None:
    """A renewal night delays no receipt and no webhook event."""
    for queues in map(consumed, workers()):
        assert queues == {"charges"} or "charges" not in queues


def test_a_queue_holds_half_a_minute_of_work() -> None:
    assert ahead(20) == 600
    assert ahead(100) == 3000
    assert ahead(0.1) == 500
    assert ahead(1_000_000) == 5000


def test_tasks_are_given_ids_and_nothing_else() -> None:
    for name, task in tasks().items():
        for argument in task.args.args:
            assert argument.annotation is not None
            assert ast.unparse(argument.annotation) == "int", f"{name} takes {argument.arg}"


def test_tasks_are_thin() -> None:
    long = {
        name: size
        for name, task in tasks().items()
        if (size := (task.end_lineno or 0) - task.lineno) > 25
    }
    assert long == {}

"""Whether the lock files are in step with pyproject.toml; asks no index, so it works offline.

`python tools/check_lock.py [DIRECTORY]` prints one line a fault and exits with 1 when there is one.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

RUN, DEVELOP = "requirements.lock", "requirements-dev.lock"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_ADDRESS = re.compile(r"https?:|file:|--\w*index|--find-links|--trusted-host|\s@\s")


def main(directory: Path) -> int:
    """Check both lock files in `directory`; returns the exit code."""
    project = tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))
    run = (directory / RUN).read_text(encoding="utf-8")
    develop = (directory / DEVELOP).read_text(encoding="utf-8")
    faults = [
        *_form_faults(RUN, run),
        *_form_faults(DEVELOP, develop),
        *_disagreements(_pins(run), _pins(develop)),
        *_unmet(RUN, _needed_to_run(project), _pins(run)),
        *_unmet(DEVELOP, _group(project, "dev"), {**_pins(run), **_pins(develop)}),
    ]
    for fault in faults:
        print(fault)
    if faults:
        print("The lock is not in step with pyproject.toml: `make lock` writes it anew.")
    return 1 if faults else 0


def _needed_to_run(project: Mapping[str, object]) -> list[Requirement]:
    table = project["project"]
    assert isinstance(table, dict)  # noqa: S101 - the shape that the standard prescribes
    texts = [*table["dependencies"], *table["optional-dependencies"]["local"]]
    return [*map(Requirement, texts), *_group(project, "build")]


def _group(project: Mapping[str, object], name: str) -> list[Requirement]:
    groups = project["dependency-groups"]
    assert isinstance(groups, dict)  # noqa: S101 - the shape that the standard prescribes
    return [Requirement(text) for text in groups[name]]


def _pins(lock: str) -> dict[str, Version]:
    found = (_PIN.match(line) for line in lock.splitlines())
    return {canonicalize_name(pin["name"]): Version(pin["version"]) for pin in found if pin}


def _form_faults(name: str, lock: str) -> Iterable[str]:
    """Entries without a version or a hash, and lines that name an index, an address or a path."""
    for number, line in enumerate(lock.splitlines(), start=1):
        if _ADDRESS.search(line):
            yield f"{name}:{number}: a lock names no index, address or path: {line.strip()}"
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        if entry.startswith("#"):
            continue
        if not _PIN.match(entry):
            yield f"{name}: “{entry.splitlines()[0]}” is not pinned with =="
        if "--hash=sha256:" not in entry:
            yield f"{name}: {entry.split('==')[0]} has no hash"


def _disagreements(run: Mapping[str, Version], develop: Mapping[str, Version]) -> Iterable[str]:
    for name in sorted(run.keys() & develop.keys()):
        if run[name] != develop[name]:
            yield f"{name} is {run[name]} in {RUN}, but {develop[name]} in {DEVELOP}"


def _unmet(
    lock: str, requirements: Iterable[Requirement], pins: Mapping[str, Version]
) -> Iterable[str]:
    """Requirements that no pin satisfies; those of what is installed are followed further down."""
    waiting = [(requirement, "pyproject.toml") for requirement in requirements]
    seen: set[str] = set()
    while waiting:
        requirement, asked_by = waiting.pop()
        name = canonicalize_name(requirement.name)
        pin = pins.get(name)
        if pin is None:
            yield f"{lock}: {asked_by} needs {requirement}, which is not pinned"
        elif not requirement.specifier.contains(pin, prereleases=True):
            yield f"{lock}: {asked_by} needs {requirement}, but {pin} is pinned"
        if str(requirement) not in seen:
            seen.add(str(requirement))
            waiting += [(further, name) for further in _further(requirement)]


def _further(requirement: Requirement) -> list[Requirement]:
    """What an installed distribution needs here, its chosen extras included."""
    try:
        texts = requires(requirement.name) or []
    except PackageNotFoundError:
        return []
    extras = requirement.extras or {""}
    return [
        further
        for further in map(Requirement, texts)
        if further.marker is None
        or any(further.marker.evaluate({"extra": extra}) for extra in extras)
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))

"""Parse every template under templates/, so that we find a syntax error before a reader does.

Prints one line a fault and exits with 1 when there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, TemplateSyntaxError


def main(directory: Path) -> int:
    """Parse all templates in `directory`; returns the exit code."""
    environment = Environment(
        loader=FileSystemLoader(directory),
        extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
        autoescape=True,
    )
    faults = 0
    for name in environment.list_templates(extensions=["html", "txt", "xml", "js", "svg"]):
        try:
            environment.parse((directory / name).read_text(encoding="utf-8"), name)
        except TemplateSyntaxError as error:
            faults += 1
            print(f"{directory / name}:{error.lineno}: {error.message}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path("templates")))

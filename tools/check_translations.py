"""See that every language is complete: nothing missing, fuzzy or left over, .mo in step with .po.

Prints one line a fault and exits with 1 when there is one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

TRANSLATIONS = Path("billing/translations")
MAPPING = Path("babel.cfg")


def extracted() -> Catalog:
    """Every message that stands in the code and the templates."""
    catalog = Catalog()
    with MAPPING.open(encoding="utf-8") as mapping:
        methods, options = parse_mapping_cfg(mapping)
    for _, _, message, _, context in extract_from_dir(".", methods, options):
        catalog.add(message, context=context)
    return catalog


def faults_of(file: Path, wanted: Catalog) -> Iterator[str]:
    """What is wrong with one language."""
    language = file.parent.parent.name
    with file.open("rb") as source:
        catalog = read_po(source, locale=language)
    for message in wanted:
        found = catalog.get(message.id, message.context) if message.id else None
        if message.id and (found is None or not _is_complete(found)):
            yield f"not translated: {message.id!r}"
    for message in catalog:
        if not message.id:
            continue
        if message.fuzzy:
            yield f"fuzzy: {message.id!r}"
        if wanted.get(message.id, message.context) is None:
            yield f"no longer used: {message.id!r}"
        yield from (f"{error}: {message.id!r}" for error in message.check(catalog))
        if _is_complete(message) and not _names_agree(message):
            yield f"other names between %( and ) than in the original: {message.id!r}"
    if not _in_step(file, catalog):
        yield "the .mo is not what it compiles to: run `pybabel compile -d billing/translations`"


def main() -> int:
    """Check all languages; returns the exit code."""
    wanted = extracted()
    faults = [
        f"{file}: {fault}"
        for file in sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po"))
        for fault in faults_of(file, wanted)
    ]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def _is_complete(message: Message) -> bool:
    strings = message.string if isinstance(message.string, (tuple, list)) else [message.string]
    return all(strings)


def _names_agree(message: Message) -> bool:
    """Whether a translation names the same values; a plural may leave out the count."""
    ids = message.id if isinstance(message.id, (tuple, list)) else [message.id]
    strings = message.string if isinstance(message.string, (tuple, list)) else [message.string]
    wanted = _names(ids[-1])
    return all(wanted - {"num", "count"} <= _names(text) <= wanted for text in strings)


def _names(text: str) -> set[str]:
    return {part.partition(")")[0] for part in text.split("%(")[1:]}


def _in_step(file: Path, catalog: Catalog) -> bool:
    compiled = file.with_suffix(".mo")
    if not compiled.exists():
        return False
    buffer = BytesIO()
    write_mo(buffer, catalog)
    buffer.seek(0)
    with compiled.open("rb") as source:
        stored = read_mo(source)
    return _strings(read_mo(buffer)) == _strings(stored)


def _strings(catalog: Catalog) -> dict[object, object]:
    return {message.id: message.string for message in catalog if message.id}


if __name__ == "__main__":
    sys.exit(main())

"""One readable stream out of many: each line named after its part, without that part's frills."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import suppress
from typing import TextIO

_WIDTH = 8
_RESET = "\x1b[0m"
_COLOURS = {
    "tuppence": "\x1b[1m",
    "web": "\x1b[32m",
    "worker": "\x1b[36m",
    "charges": "\x1b[36m",
    "beat": "\x1b[34m",
    "stripe": "\x1b[35m",
    "mail": "\x1b[33m",
    "postgres": "\x1b[90m",
    "valkey": "\x1b[90m",
}

_CELERY = re.compile(r"^\[[\d:, -]+: (?P<level>[A-Z]+)/[^\]]+\] ")
_GRANIAN = re.compile(r"^(?:\[[\d:, +-]+\] )?\[(?P<level>[A-Z]+)\] ")
_VALKEY = re.compile(r"^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ (?P<level>[.*#-]) ")
_POSTGRES = re.compile(r"^(?P<level>LOG):  ")
_DATED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>)")
_COMMON_LEVELS = {"", "INFO", "LOG", ".", "-", "*", "#"}
_HARMLESS = re.compile(
    r"WARNING Memory overcommit must be enabled"  # matters to a Valkey that saves; ours does not
    r"|:signal-handler \("
    r"|FATAL:  the database system is starting up"  # our own asking whether it is ready
)
_CHUNK = 65_536


class LogStream:
    """Writes the lines of all parts to one stream; in colour only where somebody looks at it."""

    def __init__(self, out: TextIO, *, colour: bool) -> None:
        self._out = out
        self._colour = colour

    @classmethod
    def on_standard_output(cls, *, no_colour: bool) -> LogStream:
        """The usual one."""
        return cls(sys.stdout, colour=sys.stdout.isatty() and not no_colour)

    def write(self, part: str, text: str) -> None:
        """Write what `part` says, line by line; a reader who has gone away stops nothing."""
        for each in text.splitlines():
            self._write_line(part, each)

    def _write_line(self, part: str, line: str) -> None:
        name = f"{part:<{_WIDTH}}"
        if self._colour:
            name = f"{_COLOURS.get(part, '')}{name}{_RESET}"
        with suppress(BrokenPipeError, ValueError):
            self._out.write(f"{name} | {tidy(line)}\n")
            self._out.flush()

    async def copy(self, part: str, stream: asyncio.StreamReader) -> None:
        """Write what comes out of `stream`, line by line and of any length, until its end."""
        rest = b""
        while chunk := await stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._write_bytes(part, line)
        self._write_bytes(part, rest)

    def _write_bytes(self, part: str, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip()
        if text and not _HARMLESS.search(text):
            self.write(part, text)


def tidy(line: str) -> str:
    """A line without the time, the process and the level that its part put before it.

    A level that deserves a look stays.
    """
    for pattern in (_CELERY, _GRANIAN, _VALKEY, _POSTGRES, _DATED):
        found = pattern.match(line)
        if found:
            message = line[found.end() :]
            level = found["level"]
            return message if level in _COMMON_LEVELS else f"{level}: {message}"
    return line

"""A mail server in front of the mailbox that refuses, breaks off, or is away, on demand.

It hands everything on to the mailbox and counts how often each Message-ID was taken: the mailbox
may show a mail once that came twice.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from contextlib import suppress

HOST = "127.0.0.1"
_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)
_LARGEST = 4 * 1024 * 1024
_BUSY = b"451 4.3.0 Try again later\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PostOffice:
    """The server, in a thread of its own. Its faults count down to nothing."""

    def __init__(self, mailbox_port: int) -> None:
        self._mailbox_port = mailbox_port
        self.port = 0
        self.down = False
        self.pending: Counter[str] = Counter()
        """How often each fault shall still strike: `refuse`, `cut after`, `cut before`."""
        self.struck: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        """How often a mail of each Message-ID was taken by the mailbox."""
        self._talks: set[asyncio.Task[None] | None] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    @property
    def again(self) -> int:
        """How many mails were taken that had been taken before."""
        return self.taken.total() - len(self.taken)

    def start(self) -> None:
        """Listen on a free port; returns when it does."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def calm(self) -> None:
        """No more faults."""
        self.down = False
        self.pending.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, HOST, 0, limit=_LARGEST)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _strikes(self, fault: str) -> bool:
        if self.pending[fault] <= 0:
            return False
        self.pending[fault] -= 1
        self.struck[fault] += 1
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            self.struck["down"] += 1
            writer.transport.abort()
            return
        talk = asyncio.current_task()
        self._talks.add(talk)  # the loop itself would forget it while it waits
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            behind = await asyncio.open_connection(HOST, self._mailbox_port, limit=_LARGEST)
            try:
                await self._talk((reader, writer), behind)
            finally:
                behind[1].close()
        writer.close()
        self._talks.discard(talk)

    async def _talk(self, client: Streams, behind: Streams) -> None:
        """Hand every line on, until somebody hangs up."""
        await _hand_back(behind, client)
        while line := await client[0].readline():
            verb = line[:4].upper()
            if verb == b"RCPT" and self._strikes("refuse"):
                client[1].write(_BUSY)
                continue
            behind[1].write(line)
            answer = await _hand_back(behind, client)
            if (verb == b"DATA" and answer.startswith(b"354")) and not await self._message(
                client, behind
            ):
                return

    async def _message(self, client: Streams, behind: Streams) -> bool:
        """The message itself; False when the line is cut."""
        content = await client[0].readuntil(_END)
        if self._strikes("cut before"):
            client[1].transport.abort()
            return False
        behind[1].write(content)
        answer = await behind[0].readline()
        if answer.startswith(b"250"):
            found = _MESSAGE_ID.search(content)
            self.taken[found[1].decode() if found else "none"] += 1
        if self._strikes("cut after"):
            client[1].transport.abort()
            return False
        client[1].write(answer)
        return True


async def _hand_back(behind: Streams, client: Streams) -> bytes:
    """One answer, of however many lines: `250-` goes on, `250 ` ends it."""
    while True:
        line = await behind[0].readline()
        client[1].write(line)
        if line[3:4] != b"-":
            return line

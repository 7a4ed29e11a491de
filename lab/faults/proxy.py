# SPDX-License-Identifier: EUPL-1.2
"""A TCP proxy on loopback that makes a link bad: cut, half-open, delayed, or ended after so many bytes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self


class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target`, in a thread of its own.

    `silent`: swallow everything and let connections stand (half-open). `refusing`: take no connection.
    `delay`: seconds before each piece. `limit`: bytes after which a connection is cut; None: never.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.silent = False
        self.refusing = False
        self.delay = 0.0
        self.limit: int | None = None
        self.passed = 0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        """Cut everything and end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def cut(self) -> None:
        """Reset every connection that stands."""
        self._loop.call_soon_threadsafe(self._abort)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        self._abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(self._pump(source, sink, (writer, back)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                if self.silent:
                    continue
                if self.delay:
                    await asyncio.sleep(self.delay)
                carried += len(piece)
                if self.limit is not None and carried > self.limit:
                    break
                self.passed += len(piece)
                sink.write(piece)
                await sink.drain()
        for writer in both:
            writer.transport.abort()
            self._writers.discard(writer)

# SPDX-License-Identifier: EUPL-1.2
"""Carries TCP connections from a listening socket made elsewhere into the namespace in which this process runs.

`python -m lab.relay DESCRIPTOR HOST PORT`: the socket is inherited, so it may belong to another network namespace;
connections are made from here. So a person's own browser reaches the zone on localhost, and nothing else of the
machine is joined to it.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

_CHUNK = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]


class PortTakenError(Exception):
    """A port of the desktop is in use by another program."""


def listen(port: int, address: str = "127.0.0.1") -> socket.socket:
    """Return a listening socket for children to inherit; PortTakenError when another program has it (0 = any)."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((address, port))
        server.listen(128)
    except OSError as error:
        server.close()
        raise PortTakenError(f"{address}:{port}: {error.strerror}") from error
    return server


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(ConnectionError, OSError):
        if writer.can_write_eof():
            writer.write_eof()  # half-closed: the other direction may still have something to say


async def _carry(dial: Dial, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    try:
        far, forth = await asyncio.wait_for(dial(), 5)
    except (OSError, TimeoutError):
        back.transport.abort()  # the browser sees a reset at once, as from a server that is down
        return
    await asyncio.gather(_pump(near, forth), _pump(far, back))
    for writer in (forth, back):
        writer.close()
        with suppress(ConnectionError, OSError):
            await writer.wait_closed()


async def serve(listening: socket.socket, dial: Dial) -> None:
    """Relay until cancelled; `dial` makes the far connection of each."""
    server = await asyncio.start_server(lambda near, back: _carry(dial, near, back), sock=listening)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve the inherited descriptor named in the arguments."""
    descriptor, host, port = sys.argv[1:4]

    def dial() -> Awaitable[Streams]:
        return asyncio.open_connection(host, int(port))

    with suppress(KeyboardInterrupt):
        asyncio.run(serve(socket.socket(fileno=int(descriptor)), dial))


if __name__ == "__main__":
    main()

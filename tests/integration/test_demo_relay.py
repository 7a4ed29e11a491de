# SPDX-License-Identifier: EUPL-1.2
"""The relay between the desktop's localhost and the zone."""

import asyncio
import socket
from contextlib import suppress

import pytest

from lab.relay import PortTakenError, listen, serve

pytestmark = pytest.mark.integration


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    data = await reader.read()  # to the end: answers only when the client has said all
    writer.write(data.upper())
    await writer.drain()
    writer.close()


async def _talk(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_bytes_go_both_ways_and_half_closing_is_carried():
    """A client that has finished speaking still gets its answer, however long."""

    async def scene() -> bytes:
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        far = server.sockets[0].getsockname()[1]
        near = listen(0)
        port = near.getsockname()[1]
        relay = asyncio.create_task(serve(near, lambda: asyncio.open_connection("127.0.0.1", far)))
        answer = await _talk(port, b"abc" * 200_000)
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay
        server.close()
        return answer

    assert asyncio.run(scene()) == b"ABC" * 200_000


def test_a_server_that_is_down_is_told_at_once():
    """The browser sees a closed connection, not a page that loads for ever."""

    async def scene() -> bytes:
        dead = socket.create_server(("127.0.0.1", 0))
        far = dead.getsockname()[1]
        dead.close()
        near = listen(0)
        relay = asyncio.create_task(serve(near, lambda: asyncio.open_connection("127.0.0.1", far)))
        try:
            return await asyncio.wait_for(_talk(near.getsockname()[1], b"x"), 5)
        except ConnectionError:
            return b""
        finally:
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay

    assert asyncio.run(scene()) == b""


def test_a_taken_port_is_named():
    """The person learns which port it was."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=str(port)):
            listen(port)

# SPDX-License-Identifier: EUPL-1.2
"""Hands a whole request to the portal over its unix socket, and its answer to the guest, however slowly that reads.

The portal's thread is free as soon as its answer is here. While the portal starts again, requests wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captive_portal.front_door import House, Visitor

_TRY_SECONDS, _PAUSE = 5.0, 0.05
_CHUNK = 64 * 1024
_AHEAD = 4 * 1024 * 1024
"""Bytes of an answer that are taken from the portal ahead of the guest."""
_PAGE = (
    '<!doctype html><html lang="fr"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Un instant'
    "</title><p>Le portail revient dans un instant. · One moment, please.</p></html>"
).encode()
_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nCache-Control: no-store\r\nConnection: close\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
)


async def relay(house: House, visitor: Visitor, message: bytes) -> None:
    """Ask the portal, and answer the visitor."""
    waiting: list[bytes] = []
    async with house.slots_of(visitor.device), house.slots:
        try:
            reader, writer = await _connect(str(house.settings.portal_socket))
        except OSError:
            house.counted["portal_away"] += 1
            visitor.say(_AWAY)
            visitor.finish()
            return
        try:
            writer.write(message)
            await writer.drain()
            taken = 0
            # The portal's answers are pages: they are taken whole, and its thread goes on.
            while taken <= _AHEAD and (chunk := await reader.read(_CHUNK)):
                waiting.append(chunk)
                taken += len(chunk)
        except OSError:
            house.counted["portal_broke_off"] += 1
        finally:
            writer.close()
    for chunk in waiting or [_AWAY]:
        visitor.say(chunk)
        if not await visitor.drained():
            return
    visitor.finish()


async def _connect(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, waiting for a portal that is about to be back. Raises OSError."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _TRY_SECONDS
    while True:
        try:
            return await asyncio.open_unix_connection(path)
        except OSError:
            if loop.time() >= end:
                raise
        await asyncio.sleep(_PAUSE)

# SPDX-License-Identifier: EUPL-1.2
"""Asks the portal a whole request over its unix socket and takes the answer whole.

The portal's thread is free as soon as its answer is here. While the portal starts again, requests wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib

_TRY_SECONDS, _PAUSE = 5.0, 0.05
_CHUNK = 64 * 1024
_LARGEST = 8 * 1024 * 1024
"""Bytes of an answer; the portal's pages and images are far smaller."""
_PAGE = (
    '<!doctype html><html lang="fr"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Un instant'
    "</title><p>Le portail revient dans un instant. · One moment, please.</p></html>"
).encode()
AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nCache-Control: no-store\r\nConnection: close\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
)


async def ask(path: str, message: bytes) -> list[bytes]:
    """Return the portal's answer; nothing where there is none for some seconds.

    A question that was taken and not answered is asked again only if it changes nothing.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _TRY_SECONDS
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                if answer := await _converse(reader, writer, message):
                    return answer
            finally:
                writer.close()
            if not message.startswith((b"GET ", b"HEAD ")):
                return []
        if loop.time() >= end:
            return []
        await asyncio.sleep(_PAUSE)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> list[bytes]:
    """Send the question and take the answer whole: the portal's thread goes on, however slowly the guest reads."""
    answer: list[bytes] = []
    taken = 0
    with contextlib.suppress(OSError):
        writer.write(message)
        await writer.drain()
        while taken <= _LARGEST and (chunk := await reader.read(_CHUNK)):
            answer.append(chunk)
            taken += len(chunk)
    return answer

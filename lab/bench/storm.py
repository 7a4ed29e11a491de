# SPDX-License-Identifier: EUPL-1.2
"""Guests that come all at once or in turn, from one process in their namespace: `python -m lab.bench.storm …`.

`logins FIRST COUNT AT_ONCE`: each is redirected, reads the welcome page, accepts, and gets a packet through.
`redirects FIRST COUNT SECONDS AT_ONCE`: probes on new connections, as many as are answered. `answer`: the Internet's
end, which accepts connections. Bounded by their numbers; prints JSON.
"""

import asyncio
import errno
import itertools
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlencode, urljoin, urlsplit

from lab.bench.forwarding import address_of
from lab.net.zone import PROVIDER, WEB
from lab.phone.robot import forms

_PROBE = ("connectivitycheck.gstatic.com", "/generate_204")
PORT = 7070
_PATIENCE = 60.0
_TRY = 0.002
_MOST_REDIRECTS = 4
_OWN = "portail.example.net"
_SHUT = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)


async def _connect(guest: int, address: str, port: int) -> socket.socket:
    plug = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, f"g{guest}".encode())
        plug.bind((str(address_of(guest)), 0))
        await asyncio.get_running_loop().sock_connect(plug, (address, port))
    except BaseException:
        plug.close()
        raise
    return plug


async def _ask(guest: int, method: str, host: str, path: str, body: str = "") -> tuple[int, str, str]:
    """Return (status, location, text) of a request on a connection of its own."""
    address = "10.77.0.1" if host == _OWN else str(WEB)
    plug = await _connect(guest, address, 80)
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept-Language: fr\r\n"
    if body:
        head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    loop = asyncio.get_running_loop()
    with plug:
        await loop.sock_sendall(plug, f"{head}\r\n{body}".encode())
        answer = b""
        while part := await loop.sock_recv(plug, 65536):
            answer += part
    lines, _, text = answer.partition(b"\r\n\r\n")
    first, *rest = lines.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in rest if ": " in line)
    return int(first.split(" ")[1]), headers.get("location", ""), text.decode("utf-8", "replace")


async def _read(guest: int, host: str, path: str) -> tuple[str, str]:
    """Follow redirects; return (address, text) of the page."""
    for _ in range(_MOST_REDIRECTS):
        status, location, text = await _ask(guest, "GET", host, path)
        if not location:
            if status != 200:
                raise RuntimeError(f"status {status}")
            return f"http://{host}{path}", text
        parts = urlsplit(urljoin(f"http://{host}{path}", location))
        host, path = parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    raise RuntimeError("redirects without end")


async def _through(guest: int, pressed: float) -> float:
    """Return milliseconds from the click until a connection to the Internet is there."""
    while time.monotonic() - pressed < _PATIENCE:
        try:
            (await _connect(guest, str(PROVIDER.ip), PORT)).close()
        except OSError as error:
            if error.errno not in _SHUT:
                raise
            await asyncio.sleep(_TRY)
        else:
            return (time.monotonic() - pressed) * 1000
    raise RuntimeError("never through")


async def log_in(guest: int) -> dict[str, float]:
    """Let one guest in; milliseconds until the page was read, and from the click to the first packet through."""
    began = time.monotonic()
    address, text = await _read(guest, *_PROBE)
    read = time.monotonic()
    form = next(form for form in forms(text) if form.action.endswith("/accept"))
    parts = urlsplit(urljoin(address, form.action))
    packet = asyncio.create_task(_through(guest, time.monotonic()))
    try:
        status, _, _ = await _ask(guest, "POST", parts.netloc, parts.path, urlencode(form.fields))
        if status not in (302, 303):
            raise RuntimeError(f"accepting: status {status}")
        return {"page": (read - began) * 1000, "through": await packet}
    finally:
        packet.cancel()


async def logins(guests: Iterable[int], at_once: int) -> dict[str, object]:
    """Let guests in, so many at once."""
    gate, failures = asyncio.Semaphore(at_once), Counter[str]()

    async def one(guest: int) -> dict[str, float] | None:
        async with gate:
            try:
                return await asyncio.wait_for(log_in(guest), _PATIENCE)
            except (OSError, RuntimeError, StopIteration, TimeoutError, IndexError) as error:
                failures[f"{type(error).__name__}: {error}"[:80]] += 1
                return None

    began = time.monotonic()
    done = [times for times in await asyncio.gather(*map(one, guests)) if times]
    return {"seconds": time.monotonic() - began, "failures": dict(failures), "times": done}


async def redirects(guests: list[int], seconds: float, at_once: int) -> dict[str, object]:
    """Probe on new connections for `seconds`."""
    answers: Counter[str] = Counter()
    end = time.monotonic() + seconds
    turn = itertools.cycle(guests)

    async def one() -> None:
        while time.monotonic() < end:
            try:
                status, location, _ = await _ask(next(turn), "GET", *_PROBE)
                answers["redirects" if status in (302, 307) and location else f"status {status}"] += 1
            except (OSError, IndexError, ValueError) as error:
                answers[type(error).__name__] += 1

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(at_once)))
    return {"seconds": time.monotonic() - began, "answers": dict(answers)}


async def answer() -> None:
    """Accept connections for ever."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), str(PROVIDER.ip), PORT, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Do what the words say."""
    what, *numbers = sys.argv[1:]
    if what == "answer":
        asyncio.run(answer())
        return
    first, count = int(numbers[0]), int(numbers[1])
    guests = list(range(first, first + count))
    if what == "logins":
        print(json.dumps(asyncio.run(logins(guests, int(numbers[2])))))
    else:
        print(json.dumps(asyncio.run(redirects(guests, float(numbers[2]), int(numbers[3])))))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: EUPL-1.2
"""`python -m captive_portal --config FILE` runs the portal's front: it listens, and tells what it turned away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import click

from captive_portal import seal
from captive_portal.front_door import MOST, House, Visitor
from edge_core import logs, notify, roles, settings
from edge_core.errors import ParvisError

if TYPE_CHECKING:
    from edge_core.settings import Settings

_log = logs.get(__name__)
_BACKLOG = 1024
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 2.0
_HTTPS = 443


@click.command()
@click.option("--config", required=True, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def main(config: Path) -> None:
    """Run the front of the portal until it is ended."""
    logs.configure("front")
    try:
        found = settings.load(config)
        found.run_dir.mkdir(parents=True, exist_ok=True)
    except ParvisError as error:
        raise click.ClickException(str(error)) from error
    _raise_limit()
    asyncio.run(_serve(found))


async def _serve(found: Settings) -> None:
    loop = asyncio.get_running_loop()
    house = House(found, seal.of(found))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    addresses = roles.portal_addresses(found)
    tasks = [asyncio.create_task(house.sweeping())]
    tasks += [asyncio.create_task(_listen(house, address, found.portal.port)) for address in addresses]
    if found.portal.tls_certificate and found.enforcement.mode == "nftables":
        tasks.append(asyncio.create_task(_listen_securely(house, addresses)))
    await _tell(house)
    notify.ready()
    await stopping.wait()
    for task in tasks:
        task.cancel()


async def _listen(house: House, address: str, port: int, *, secure: bool = False) -> None:
    """Listen, once the address is there."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            server = await loop.create_server(
                lambda: Visitor(house, secure=secure), address, port, backlog=_BACKLOG, reuse_address=True
            )
        except OSError as error:
            _log.warning("front_waits", address=address, port=port, reason=error.strerror)
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        _log.info("front_listens", address=address, port=port)
        await server.serve_forever()


async def _listen_securely(house: House, addresses: list[str]) -> None:
    """Listen with TLS once there is a certificate, and take up each new one without a restart."""
    seen: object = None
    listening: list[asyncio.Task[None]] = []
    while True:
        looks = _look_of(house.settings)
        if looks != seen:
            seen = looks
            house.secure = _context(house.settings) or house.secure
        if house.secure and not listening:
            listening = [asyncio.create_task(_listen(house, each, _HTTPS, secure=True)) for each in addresses]
        await asyncio.sleep(_LOOK_SECONDS)


def _context(found: Settings) -> ssl.SSLContext | None:
    """Return a context with the certificate; None where it can't be read: the one before stays."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(str(found.portal.tls_certificate), str(found.portal.tls_key))
    except OSError as error:  # ssl.SSLError is one
        _log.warning("certificate_not_taken", reason=error.strerror or type(error).__name__)
        return None
    _log.info("certificate_taken")
    return context


def _look_of(found: Settings) -> object:
    looks = []
    for path in (found.portal.tls_certificate, found.portal.tls_key):
        with contextlib.suppress(OSError):
            status = path.stat() if path else None
            looks.append((status.st_mtime_ns, status.st_size, status.st_ino) if status else None)
    return looks


async def _tell(house: House) -> None:
    """Answer on a unix socket what was counted: one JSON object a line, as the agent does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            await asyncio.wait_for(reader.readline(), 1.0)
            writer.write(json.dumps(house.status()).encode() + b"\n")
            await writer.drain()
        writer.close()

    path = house.settings.front_socket
    path.unlink(missing_ok=True)
    try:
        await asyncio.start_unix_server(answer, str(path), limit=4096)
        path.chmod(0o660)
    except OSError as error:
        _log.warning("front_untold", reason=error.strerror)


def _raise_limit() -> None:
    """Allow as many descriptors as connections, and as many again for the way to the portal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST + 256
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    main()

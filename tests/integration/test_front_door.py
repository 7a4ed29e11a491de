# SPDX-License-Identifier: EUPL-1.2
"""What one guest can have the portal work on at a time, whatever the guest does with the connections."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from captive_portal import front_door, seal
from edge_core.settings import load

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
ASK = b"GET /fr/ HTTP/1.1\r\nHost: wifi.parc.example\r\n\r\n"
PATIENCE = 40.0
MOST = front_door._AT_ONCE_OF_A_GUEST


@pytest.fixture
def house(tmp_path):
    """A front whose portal is played by the test."""
    file = tmp_path / "parvis.toml"
    file.write_text(
        f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/s"\n[lan]\ninterface = "lan0"\n'
        'ipv4 = "10.77.0.1/20"\ndhcp_range = "10.77.1.0-10.77.1.250"\n[wan]\ninterface = "wan0"\ndns = ["192.0.2.53"]\n'
        '[portal]\nhostname = "wifi.parc.example"\n'
    )
    settings = load(file, {})
    settings.portal_socket.parent.mkdir(parents=True, exist_ok=True)
    return front_door.House(settings, seal.Seal(b"k" * 32))


class Portal:
    """Works on each question until it may answer, whether or not anybody still listens; as a thread does."""

    def __init__(self):
        self.may_answer, self.at_once, self.most = asyncio.Event(), 0, 0

    async def work(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.may_answer.wait()
        self.at_once -= 1
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def running(house):
    """Yield the portal and the front's port."""
    portal = Portal()
    async with await asyncio.start_unix_server(portal.work, str(house.settings.portal_socket)):
        loop = asyncio.get_running_loop()
        front = await loop.create_server(lambda: front_door.Visitor(house, secure=False), "127.0.0.1", 0)
        async with front:
            yield portal, front.sockets[0].getsockname()[1]


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  the front tells nobody
            await asyncio.sleep(0.01)


async def ask_and_reset(house, portal, port, times):
    """Ask, and be gone by a reset as soon as the portal works on it, or at least it was handed on."""
    for number in range(times):
        asked = house.counted["handed_on"]
        with socket.create_connection(("127.0.0.1", port)) as guest:
            guest.sendall(ASK)
            await until(lambda asked=asked: house.counted["handed_on"] > asked)
            await until(lambda number=number: portal.at_once >= min(MOST, number + 1))
            await asyncio.sleep(0.01)
            guest.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_who_asks_and_is_gone_at_once_has_no_more_of_the_portal(house):
    """Each question takes its slot until it is answered, though its guest be gone; then others get theirs."""

    async def play():
        async with running(house) as (portal, port):
            await ask_and_reset(house, portal, port, 30)
            await until(lambda: not house.status()["connections"])
            assert portal.most == MOST
            portal.may_answer.set()
            await until(lambda: not portal.at_once)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK)
            assert (await asyncio.wait_for(reader.read(), PATIENCE)).startswith(b"HTTP/1.1 204 ")
            writer.close()

    asyncio.run(play())

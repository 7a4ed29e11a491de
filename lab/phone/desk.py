# SPDX-License-Identifier: EUPL-1.2
"""Makes the person's own browser a guest: carries the desktop's portal port through a phone of its own.

`python -m lab.phone.desk DESCRIPTOR HOST PORT` in the guests' namespace. The portal sees a device with a lease and a
MAC, so the button can be pressed from the desktop, too.
"""

import asyncio
import socket
import sys
from contextlib import suppress

from lab import relay
from lab.phone import dhcp, lease
from lab.phone.robot import Robot

_INTERFACE = "desk0"
_METRIC = 900  # after the real phone: what belongs to nobody in particular doesn't go this way


def main() -> None:
    """Join, get a lease, then relay the inherited listening socket."""
    descriptor, host, port = sys.argv[1:4]
    lease.join(_INTERFACE)
    given = dhcp.obtain(_INTERFACE, 30)
    lease.take(given, _METRIC)
    robot = Robot(given)

    async def dial() -> relay.Streams:
        made = await asyncio.to_thread(robot.connect, host, int(port), 5)
        return await asyncio.open_connection(sock=made)

    with suppress(KeyboardInterrupt):
        asyncio.run(relay.serve(socket.socket(fileno=int(descriptor)), dial))


if __name__ == "__main__":
    main()

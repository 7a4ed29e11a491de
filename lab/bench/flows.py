# SPDX-License-Identifier: EUPL-1.2
"""Opens many flows from one guest, a UDP packet each, and ends: `python -m lab.bench.flows DEVICE COUNT`."""

import socket
import sys

from lab.net.zone import PROVIDER

_PORTS = 20


def main() -> None:
    """Send one packet from each of COUNT pairs of ports."""
    device, count = sys.argv[1], int(sys.argv[2])
    for source in range(count // _PORTS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            sender.bind(("", 20_000 + source))
            for target in range(_PORTS):
                sender.sendto(b"x", (str(PROVIDER.ip), 30_000 + target))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: EUPL-1.2
"""Opens many flows from one guest, a UDP packet each, and ends: `python -m lab.bench.flows DEVICE COUNT [RATE]`.

With RATE at most so many a second. Prints the seconds that it took.
"""

import socket
import sys
import time

from lab.net.zone import PROVIDER

_PORTS = 20


def main() -> None:
    """Send one packet from each of COUNT pairs of ports."""
    device, count = sys.argv[1], int(sys.argv[2])
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else float("inf")
    began = time.monotonic()
    for source in range(count // _PORTS):
        time.sleep(max(0.0, began + source * _PORTS / rate - time.monotonic()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            sender.bind(("", 20_000 + source))
            for target in range(_PORTS):
                sender.sendto(b"x", (str(PROVIDER.ip), 30_000 + target))
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()

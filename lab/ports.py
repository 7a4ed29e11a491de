# SPDX-License-Identifier: EUPL-1.2
"""Free ports of 127.0.0.1 for servers that may be away for a while."""

from __future__ import annotations

import random
import socket

# Below the ports that the kernel gives to outgoing connections (ip-sysctl, ip_local_port_range: from 32768): a client
# that tries again and again to reach a server which is away would one day be given that very port, and meet itself.
_FIRST, _LAST = 20000, 32000


def free_port() -> int:
    """Return a port that nobody listens on now and that no outgoing connection will be given."""
    while True:
        port = random.randint(_FIRST, _LAST)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port

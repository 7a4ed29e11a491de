# SPDX-License-Identifier: EUPL-1.2
"""Who stands behind a machine's uplink: an operator that signs content and releases, and a platform that enrols."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lab.platform.enrolment.desk import Desk, Place
from lab.platform.enrolment.web import Server
from sync.publish import keys, publisher, releasing

ROOT = Path(__file__).parents[2]


class Operator:
    """A folder of keys and a repository with the demo's content."""

    def __init__(self, folder: Path) -> None:
        """Make both in `folder`."""
        self.keys, self.repository = folder / "keys", folder / "repository"
        keys.make(self.keys, time.time())
        publisher.publish(ROOT / "content" / "demo", self.repository, self.keys, time.time())

    @property
    def root(self) -> str:
        """What devices trust from the first day (root.json)."""
        return (self.keys / "root.json").read_text(encoding="utf-8")

    def release(self, bundle: Path) -> None:
        """Sign a release for every device."""
        releasing.publish([bundle], self.repository, self.keys, time.time(), 100)


@contextmanager
def served(folder: Path, address: str) -> Iterator[str]:
    """Serve a folder on a port of our end of the uplink; gives its URL."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer((address, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def desk(folder: Path, address: str, site: str) -> Iterator[Callable[..., str]]:
    """Open the reference platform's desk on our end of the uplink; gives what makes a ticket for a device.

    It takes the device's name, and what else the ticket's `Place` is to say.
    """
    counter = Desk.open(folder)
    counter.authority.serve_as([address], datetime.now(UTC))
    counter.authority.own("platform", "platform", [], datetime.now(UTC))
    server = Server(counter, address, 0)
    server.start()
    counter.register.setting("address", f"{address}:{server.port}")

    def ticket(device: str, **more: Any) -> str:
        return counter.ticket(Place(site, "Parc", device, f"mqtts://{address}:1", **more), datetime.now(UTC))

    try:
        yield ticket
    finally:
        server.end()

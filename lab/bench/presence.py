# SPDX-License-Identifier: EUPL-1.2
"""What counting costs with 15,000 devices of which 50 come and go each second, how true it is, and what a record takes.

In this process, without the kernel: the work of the agent on presence, and of the recorder on connections.
"""

from __future__ import annotations

import random
import struct
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from nacl.public import PrivateKey

from edge_core import clock, settings
from edge_core.netlink import attribute, nested
from edge_core.store import database, grants
from gateway_agent import legal_vault
from gateway_agent.legal_rows import ENDED, OPENED, Chunk, Reader
from gateway_agent.presence import Presence, Spot
from lab.bench.figures import Figure, median
from management import keeper, metrics, readings
from management.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

_SESSIONS = 1000
_DEVICES, _CHURN, _SECONDS = 15_000, 50, 40
_CONNECTIONS, _ROUNDS = 10_000, 7
_ONE_CORE = 1000.0  # milliseconds a second


def figures() -> list[Figure]:
    """Measure."""
    return [*_counting(), _truth(), *_legal(), *_looking()]


def _mac(number: int) -> str:
    return f"02:50:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def _counting() -> list[Figure]:
    before = psutil.Process().memory_info().rss
    presence, spot = Presence(300, 10, 5), Spot("main")
    here = {_mac(number): spot for number in range(_DEVICES)}
    online, took = set(list(here)[: _DEVICES // 2]), []
    for second in range(_SECONDS):
        for number in range(_CHURN):
            here.pop(next(iter(here)))
            here[_mac(_DEVICES + second * _CHURN + number)] = spot
        began = time.process_time()
        presence.observe(here, online, 1e9 + second, float(second))
        took.append((time.process_time() - began) * 1000)
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    return [
        median("CPU of a look each second at 15,000 devices, 50 coming and going", took, "ms", limit=_ONE_CORE),
        Figure("memory of that, the crowd of the measure included", round(grown, 1), "MiB"),
    ]


def _truth() -> Figure:
    """Compare a day's told windows with what really was, where they were told."""
    chance, crowd, errors = random.Random(7), Presence(300, 10, 5), []
    spot, at_most = Spot("main"), 0
    for second in range(0, 86_400, 60):
        size = max(0, int(1200 * (1 - abs(second - 43_200) / 43_200) + chance.gauss(0, 5)))
        windows = crowd.observe({_mac(n): spot for n in range(size)}, set(), 1e9 - 1e9 % 300 + second, float(second))
        crowd.recorded(len(windows))
        if windows and windows[0].associated is not None and at_most:
            errors.append(abs(windows[0].associated - at_most) / at_most * 100)
        at_most = size if windows else max(at_most, size)
    return median("error of a told window against the truth, simulated day of up to 1,200", errors, "%", goal=2.0)


def _event(number: int) -> bytes:
    """Return a connection's event as the kernel sends it."""
    inside, outside = bytes([10, 77, number >> 8 & 15, number & 255]), bytes([192, 0, 2, 2])
    port = struct.pack("!H", 1024 + number % 60_000)

    def ends(kind: int, source: bytes, target: bytes, source_port: bytes, target_port: bytes) -> bytes:
        addresses = nested(1, attribute(1, source), attribute(2, target))
        ports = nested(2, attribute(1, b"\x06"), attribute(2, source_port), attribute(3, target_port))
        return nested(kind, addresses, ports)

    web, https = bytes([198, 51, 100, 7]), struct.pack("!H", 443)
    there, back = ends(1, inside, web, port, https), ends(2, web, outside, https, port)
    mark = attribute(8, struct.pack("!I", 0x80000000 | number % 500 + 1))
    return b"\x02\0\0\0" + there + back + mark + attribute(12, struct.pack("!I", number * 2654435761 % 2**32))


def _legal() -> list[Figure]:
    bodies = [_event(number) for number in range(_CONNECTIONS)]
    rates, sizes = [], []
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        for number in range(_ROUNDS):
            segment = legal_vault.Segment(Path(name), f"2030-01-0{number + 1}", PrivateKey.generate().public_key)
            reader, chunk, began = Reader(), Chunk(0.0), time.process_time()
            for kind in (OPENED, ENDED):
                for place, body in enumerate(bodies):
                    which = reader.read(body)
                    if which is not None:
                        chunk.add(kind, place / 5000, which)
            sizes.append(segment.append(chunk.pack(0)) / chunk.rows * 2)
            rates.append(_CONNECTIONS / (time.process_time() - began))
            segment.close()
    return [
        median(
            "connections/s of one core, opened and ended, read, sealed, on the disk", rates, "/s", goal=5000, more=True
        ),
        median("bytes of a connection on the disk", sizes, "B"),
    ]


def _looking() -> list[Figure]:
    """Take a scrape and the device page, made anew each time, beside a store with 1,000 sessions and no agent."""
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as folder:
        file = Path(folder) / "device.toml"
        file.write_text(
            f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{folder}/state"\n', encoding="utf-8"
        )
        found = settings.load(file, {})
        database.migrate(found)
        with closing(database.open_edge(found.edge_db)) as edge:
            for number in range(_SESSIONS):
                grants.accept(edge, _mac(number), "free", 3600, clock.now())
        keeper.set_password(found, "a few words do")
        browser = create_app(found).test_client()
        browser.post("/door", data={"password": "a few words do"})
        scrapes = [_took(lambda: metrics.exposition(lambda: readings.take(found, clock.now()))) for _ in range(_ROUNDS)]
        pages = [_took(lambda: browser.get("/")) for _ in range(_ROUNDS)]
    return [
        median("CPU of a scrape, read anew, with 1,000 sessions", scrapes, "ms"),
        median("CPU of the device page, with 1,000 sessions", pages, "ms"),
    ]


def _took(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return (time.process_time() - began) * 1000

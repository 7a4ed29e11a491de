# SPDX-License-Identifier: EUPL-1.2
"""How fast one consumer of the reference platform checks and commits events, and what they weigh on a disk.

No broker: batches of 100 compressed events of 20 devices go straight to the writer's own code, 200 in a transaction.
CPU seconds of this process alone are counted, because a machine that does other work says little by the clock.
"""

from __future__ import annotations

import json
import tempfile
import time
import zlib
from pathlib import Path

from lab.bench.figures import Figure, median
from lab.platform import store
from lab.platform.contract import Contract
from lab.platform.intake import Intake, Work, settle
from lab.platform.testing import uuid7
from lab.scale.servers import Postgres, postgres_programs

_EVENTS, _BATCH, _DEVICES, _ROUND, _ROUNDS = 60_000, 100, 20, 200, 5


def figures() -> list[Figure]:
    """Measure both stores, several rounds each."""
    messages = _messages()
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        folder = Path(name)
        rates, sizes = [], []
        for number in range(_ROUNDS):
            file = folder / f"platform{number}.db"
            rates.append(_measure(file, messages))
            sizes.append(sum(path.stat().st_size for path in folder.glob(f"platform{number}.db*")) / _EVENTS)
        found = [
            median("SQLite: events/s and core", rates, "/s", goal=100_000, more=True),
            Figure("SQLite: bytes an event, indexes, journal and sessions too", round(sizes[-1]), "B"),
        ]
        return found + (_postgres(folder, messages) if postgres_programs() else [])


def _postgres(folder: Path, messages: list[tuple[str, bytes]]) -> list[Figure]:
    server = Postgres(folder / "postgres")
    server.start()
    try:
        began = time.monotonic()
        rate = _measure(server.url, messages)
        seconds = time.monotonic() - began
        size = store.open_reader(server.url).execute("SELECT pg_database_size(current_database())").fetchone()[0]
    finally:
        server.kill()
    return [
        Figure("PostgreSQL: events/s and core of a consumer", round(rate), "/s", goal=100_000, more=True),
        Figure(
            "PostgreSQL: events/s by the clock, server on the same cores", round(_EVENTS / seconds), "/s", more=True
        ),
        Figure("PostgreSQL: bytes an event, indexes and sessions too", round(size / _EVENTS), "B"),
    ]


def _measure(place: Path | str, messages: list[tuple[str, bytes]]) -> float:
    """Return events for each CPU second of this process."""
    connection, intake = store.open_writer(place), Intake(Contract())
    began = time.process_time()
    for start in range(0, len(messages), _ROUND):
        work = Work(connection, time.time())
        with store.transaction(connection):
            intake.take(work, messages[start : start + _ROUND])
            settle(work)
    spent = time.process_time() - began
    connection.close()
    return _EVENTS / spent


def _messages() -> list[tuple[str, bytes]]:
    each = _EVENTS // _DEVICES
    return [
        (f"parvis/1/cite/gateway-{device}/ev/usage", _packed(device, range(first, first + _BATCH)))
        for first in range(1, each + 1, _BATCH)
        for device in range(_DEVICES)
    ]


def _packed(device: int, numbers: range) -> bytes:
    events = [
        {
            "specversion": "1.0", "id": uuid7(), "source": f"/cite/gateway-{device}",
            "type": "eu.parvis.session.started.v1", "time": "2025-03-04T12:34:56.789Z", "epoch": f"epoch-{device:04d}",
            "seq": seq, "boot": "5f0c2d6e-1b7a-4a39-9c58-0e4b8f6a7d21", "monotonic": 1234.5, "synchronised": True,
            "datacontenttype": "application/json", "data": {"session": uuid7(), "plan": "guest", "seconds": 14400},
        }
        for seq in numbers
    ]  # fmt: skip
    return zlib.compress(json.dumps(events, separators=(",", ":")).encode(), 1)

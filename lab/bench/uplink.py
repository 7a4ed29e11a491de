# SPDX-License-Identifier: EUPL-1.2
"""Events a second from the outbox to the platform's acknowledgement, with real processes: sync, Mosquitto, platform.

Two platforms, both of which commit to SQLite before they acknowledge: the reference one, which checks each event
against its schema and keeps its projections, and a bare one (`sink`), which shows the device's own limit. All
processes share this machine's cores.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from edge_core.store import outbox
from lab.bench import sink
from lab.faults.site import Broker, Device, Process, until
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

_ROW = {
    "specversion": "1.0", "id": "", "type": "eu.parvis.session.started.v1", "time": "2025-03-04T12:34:56.789Z",
    "boot": "5f0c2d6e-1b7a-4a39-9c58-0e4b8f6a7d21", "monotonic": 1234.5, "synchronised": True,
    "datacontenttype": "application/json", "data": {"session": "", "plan": "guest", "seconds": 14400},
}  # fmt: skip


def measure(n: int = 200_000, *, platform: Literal["reference", "bare"] = "reference") -> dict[str, Any]:
    """Send `n` events from a full outbox; return events, seconds, rate (events/s) and what both sides counted.

    `held` is what the platform holds, `account` the device's loss account; both must agree, or the figure is void.
    `sync_microseconds` is the processor time of sync for an event.
    """
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        folder = Path(name)
        broker = Broker(folder / "broker", more="max_inflight_messages 200\nmax_queued_messages 10000\n")
        device = Device(folder / "device", broker.port)
        store = folder / "platform.db"
        peer = Process(_words(platform, broker.port, store), folder / "platform.log")
        processes = [broker, peer, device.sync]
        try:
            for process in processes:
                process.start()
            until(device.empty, 30, "the first acknowledgement")
            return _run(device, store, n, sink.held if platform == "bare" else _held)
        finally:
            for process in reversed(processes):
                process.kill()
            device.store.close()


def bare_platform(folder: Path, port: int) -> Process:
    """Return the bare platform, not yet started."""
    return Process(_words("bare", port, folder / "platform.db"), folder / "platform.log")


def _words(platform: str, port: int, store: Path) -> list[str]:
    if platform == "bare":
        return [sys.executable, "-m", "lab.bench.sink", str(port), str(store)]
    return [
        sys.executable, "-m", "lab.platform", "--store", str(store), "--repository", str(store.parent),
        "--broker", f"mqtt://127.0.0.1:{port}", "--port", str(free_port()),
    ]  # fmt: skip


def _run(device: Device, store: Path, n: int, counted: Callable[[Path], int]) -> dict[str, Any]:
    fill(device, n)
    sync = psutil.Process(device.sync.popen.pid if device.sync.popen else 0)
    spent, start = sum(sync.cpu_times()[:2]), time.monotonic()
    until(lambda: outbox.oldest(device.store) is None, 120 + n / 1000, "acknowledgement of all")
    seconds = time.monotonic() - start
    spent = sum(sync.cpu_times()[:2]) - spent
    account, held = device.account(), counted(store)
    return {
        "events": n, "seconds": round(seconds, 3), "rate": round(n / seconds), "held": held,
        "sync_microseconds": round(spent / n * 1e6, 1),
        "lost": account.created - held - account.dropped, "account": vars(account),
    }  # fmt: skip


def _held(store: Path) -> int:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as platform:
        return int(platform.execute("SELECT count(*) FROM events").fetchone()[0])


def fill(device: Device, n: int) -> None:
    """Put `n` rows in the outbox in one transaction, each with its own id, as fast as SQLite takes them."""

    def row(number: int) -> tuple[str, str, str]:
        event = dict(_ROW, id=f"0191d2c0-7a4e-7c31-9a55-{number:012x}")
        event["data"] = {"session": f"0191d2c1-0b10-7d02-8f11-{number:012x}", "plan": "guest", "seconds": 14400}
        return "usage", "eu.parvis.session.started.v1", json.dumps(event, separators=(",", ":"))

    connection = device.store
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO outbox (class, type, body) VALUES (?, ?, ?)", map(row, range(n)))
    connection.execute(
        "INSERT INTO account (class, created, pending) VALUES ('usage', ?1, ?1)"
        " ON CONFLICT (class) DO UPDATE SET created = created + ?1, pending = pending + ?1",
        [n],
    )
    connection.execute("COMMIT")


if __name__ == "__main__":
    for kind in ("reference", "bare"):
        print(kind, json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, platform=kind)))

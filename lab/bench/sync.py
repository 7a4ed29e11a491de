# SPDX-License-Identifier: EUPL-1.2
"""Sync from end to end: events up against two peers, content down against plain download, what a device writes.

`PARVIS_BENCH_EVENTS` and `PARVIS_BENCH_BACKLOG` set the numbers of events. The peer thingsboard-gateway (PyPI) is
measured where `PARVIS_BENCH_THINGSBOARD` names a Python that has it: its dependencies would replace ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from lab.bench import down, parts, uplink
from lab.bench.figures import Figure
from lab.bench.peers import mosquitto_bridge, thingsboard
from lab.faults.peer import Peer
from lab.faults.site import Broker, Device, until

_EVENTS = int(os.environ.get("PARVIS_BENCH_EVENTS", "200000"))
_BACKLOG = int(os.environ.get("PARVIS_BENCH_BACKLOG", "2000000"))
_ROUNDS = 3
_WATCHED = 20.0  # seconds that writing is watched
_DAY = 86_400


def figures() -> list[Figure]:
    """Measure everything, the events' rates in turns; each part is told when it is known."""
    return parts.in_turn((_rates, _downs, _writes, _backlog))


def _rates() -> list[Figure]:
    ours, own, bridge, board, lost, board_lost = [], [], [], [], 0, 0
    for _ in range(_ROUNDS):
        run = uplink.measure(_EVENTS, platform="bare")
        ours.append(run["rate"])
        own.append(run["sync_microseconds"])
        lost += run["lost"]
        bridge.append(mosquitto_bridge(min(_EVENTS, 20_000)))
        if os.environ.get("PARVIS_BENCH_THINGSBOARD"):
            rate, gone = thingsboard(os.environ["PARVIS_BENCH_THINGSBOARD"], min(_EVENTS, 50_000))
            board.append(rate)
            board_lost += gone
    spread = (min(ours), max(ours))
    middle = sorted(ours)[len(ours) // 2]
    found = [
        Figure("events/s, outbox to platform ack", middle, "/s", spread, goal=100_000, more=True),
        Figure("  processor time of sync for an event", sorted(own)[len(own) // 2], "µs", (min(own), max(own))),
        Figure("  against a Mosquitto bridge with persistence", middle, "/s", spread,
               peer=round(sorted(b[0] for b in bridge)[len(bridge) // 2]), more=True),
        Figure("events lost", lost, "", goal=0),
        Figure("events lost by the bridge, its broker killed", lost, "", peer=max(b[1] for b in bridge)),
    ]  # fmt: skip
    if board:
        peer = round(sorted(board)[len(board) // 2])
        found.append(
            Figure("  against thingsboard-gateway's SQLite storage", middle, "/s", spread, peer=peer, more=True)
        )
        found.append(Figure("events lost by thingsboard-gateway, killed", lost, "", peer=board_lost))
    return found


def _downs() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        run = down.measure(Path(name))
    return [
        Figure("changed record of 10,000: bytes beyond TUF's own", run["change_octets"], "B", goal=4096),
        Figure("changed record of 10,000: publish", round(run["publish"], 2), "s"),
        Figure("changed record of 10,000: poke to page", round(run["apply"], 2), "s", goal=2.0),
        Figure("bootstrap of 10,000 records and 500 images", round(run["bootstrap"], 2), "s",
               limit=round(run["curl"], 2)),
        Figure("  its time by curl's", round(run["bootstrap"] / run["curl"], 2), "x", goal=1.3),
    ]  # fmt: skip


def _backlog() -> list[Figure]:
    """Send a week's backlog, and watch the memory of `sync` meanwhile."""
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        folder = Path(name)
        broker = Broker(folder / "broker", more="max_inflight_messages 200\nmax_queued_messages 10000\n")
        device = Device(folder / "device", broker.port)
        broker.start()
        uplink.fill(device, _BACKLOG)
        peer = uplink.bare_platform(folder, broker.port)
        peer.start()
        try:
            begun = time.monotonic()
            device.sync.start()
            memory = _Memory(device.sync.popen.pid if device.sync.popen else 0)
            until(device.empty, 300 + _BACKLOG / 500, "the backlog acknowledged")
            seconds = time.monotonic() - begun
            first, most = memory.stop()
        finally:
            for process in (device.sync, peer, broker):
                process.kill()
            device.store.close()
    what = f"backlog of {_BACKLOG:,} events".replace(",", " ")
    return [
        Figure(f"{what}: minutes", round(seconds / 60, 2), "min"),
        Figure(
            f"{what}: memory of sync, most", round(most / 1e6, 1), "MB", (round(first / 1e6, 1), round(most / 1e6, 1))
        ),
    ]


class _Memory:
    """Watches a process: memory after a second, and the most."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._seen: list[int] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ending.wait(1.0):
            self._seen.append(int(self._process.memory_info().rss))

    def stop(self) -> tuple[int, int]:
        self._ending.set()
        self._thread.join()
        seen = self._seen or [int(self._process.memory_info().rss)]
        return seen[0], max(seen)


def _writes() -> list[Figure]:
    """Watch what `sync` and the services write, idle and with five events a second, and reckon a day."""
    with tempfile.TemporaryDirectory(prefix="parvis-bench-", dir=Path.cwd() / "build") as name:
        folder = Path(name)
        broker = Broker(folder / "broker")
        broker.start()
        peer = Peer(broker.port).start()
        device = Device(folder / "device", broker.port)
        device.sync.start()
        until(device.empty, 30, "the first event")
        time.sleep(4)
        pid = device.sync.popen.pid if device.sync.popen else 0
        own = psutil.Process()
        idle = _written(psutil.Process(pid), own, lambda: None)
        busy = _written(psutil.Process(pid), own, lambda: device.tell(1))
        device.sync.kill()
        device.store.close()
        peer.stop()
        broker.kill()
    return [
        Figure("written a day, idle", round(idle * _DAY / 1e6, 1), "MB", goal=10),
        Figure("written a day, five events a second", round(busy * _DAY / 1e6), "MB"),
    ]


def _written(process: psutil.Process, own: psutil.Process, act: object) -> float:
    """Return bytes/s that both processes gave to the disk."""
    before = process.io_counters().write_bytes + own.io_counters().write_bytes
    end = time.monotonic() + _WATCHED
    while time.monotonic() < end:
        if callable(act):
            act()
        time.sleep(0.2)
    return (process.io_counters().write_bytes + own.io_counters().write_bytes - before) / _WATCHED


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "lab.bench", "sync"], check=True)

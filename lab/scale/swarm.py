# SPDX-License-Identifier: EUPL-1.2
"""Many devices on one broker and one reference platform: `python -m lab.scale.swarm COUNT [OUTAGE_SECONDS]`.

Measures the steady load, the curve of reconnections after an outage of the broker (600 s are the ten minutes
of docs/scale.md, when every device has long been waiting at its bound), and how fast a poke reaches all.
"""

# ruff: noqa: ASYNC110 - it looks at thousands of devices now and then; an event for each would cost more

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from lab.platform.testing import Platform
from lab.scale import device as sim
from lab.scale.cluster import mosquitto
from lab.scale.device import Counts, SimDevice

if TYPE_CHECKING:
    from lab.scale.servers import Server

_STEADY = 30.0  # seconds of steady load
_EACH = 300.0  # seconds between two events of one device: a presence window of five minutes


class _Addressed:
    """What `Platform` needs to know of a broker."""

    def __init__(self, port: int) -> None:
        self.port = port


async def measure(count: int, outage: float, broker: Server, platform: Platform) -> dict[str, Any]:
    """Run the three parts one after the other; return their figures."""
    counts = Counts()
    devices = [SimDevice(f"gateway-{n}", [broker.port], counts, f"site{n % 100}", keepalive=60) for n in range(count)]
    began = time.monotonic()
    await asyncio.gather(*(device.connect(random.uniform(0, count / 500)) for device in devices))
    first = time.monotonic() - began
    pushing = asyncio.create_task(_push(devices))
    figures: dict[str, Any] = {"devices": count, "first_connection_s": round(first, 1)}
    await _settle(devices, 60)
    figures |= await _steady(devices, broker, platform)
    figures |= await _reconnect(devices, counts, broker, outage)
    figures |= await _poke(devices, counts, platform)
    pushing.cancel()
    figures |= {"lost": sum(device.pending for device in devices), "events": sum(len(device.ids) for device in devices)}
    for device in devices:
        device.close()
    return figures


async def _push(devices: list[SimDevice]) -> None:
    """Send again what no acknowledgement covers, device after device, the whole round in a second."""
    while True:
        for number, device in enumerate(devices):
            if device.pending:
                device.push()
            if number % 500 == 499:
                await asyncio.sleep(0)
        await asyncio.sleep(1)


async def _settle(devices: list[SimDevice], seconds: float) -> float:
    began = time.monotonic()
    while any(device.pending for device in devices) and time.monotonic() - began < seconds:
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def _steady(devices: list[SimDevice], broker: Server, platform: Platform) -> dict[str, Any]:
    """One event of each device in five minutes; CPU and memory of broker and platform, and how late the acks are."""
    before = _used(broker), _used(platform.process)
    began, sent = time.monotonic(), 0
    rate = len(devices) / _EACH
    while (elapsed := time.monotonic() - began) < _STEADY:
        while sent < rate * elapsed:
            devices[sent % len(devices)].tell(1)
            sent += 1
        await asyncio.sleep(0.05)
    late = await _settle(devices, 30)
    after = _used(broker), _used(platform.process)
    return {
        "steady_events_s": round(sent / elapsed, 1), "steady_late_s": round(late, 2),
        "broker_cpu_percent": round(100 * (after[0][0] - before[0][0]) / elapsed, 1),
        "platform_cpu_percent": round(100 * (after[1][0] - before[1][0]) / elapsed, 1),
        "broker_mb": round(after[0][1]), "platform_mb": round(after[1][1]),
    }  # fmt: skip


async def _reconnect(devices: list[SimDevice], counts: Counts, broker: Server, outage: float) -> dict[str, Any]:
    """Kill the broker, let every device have something to tell, start it again: who is back when."""
    broker.kill()
    for device in devices:
        device.tell(2)
    await asyncio.sleep(outage)
    counts.connects.clear()
    counts.failures = 0
    await asyncio.to_thread(broker.start)
    began = time.monotonic()
    while sum(device.connected for device in devices) < len(devices) and time.monotonic() - began < 240:
        await asyncio.sleep(0.2)
    back = sorted(at - began for at in counts.connects)
    settled = await _settle(devices, 120)
    busiest = max((sum(second <= at < second + 1 for at in back) for second in range(int(back[-1]) + 1)), default=0)
    share = {f"back_{part}": round(back[min(len(back) - 1, int(len(back) * part / 100))], 1) for part in (50, 90, 99)}
    return {
        "outage_s": outage, "longest_wait_s": sim.LONGEST_WAIT, "back": len(back), **share,
        "back_all_s": round(back[-1], 1), "curve": _curve(back),
        "busiest_second": busiest, "backlog_settled_s": round(settled, 1), "failed_tries": counts.failures,
    }  # fmt: skip


def _curve(back: list[float]) -> list[int]:
    """Return how many are back after 5, 10, 15 … seconds."""
    return [sum(at < end for at in back) for end in range(5, int(back[-1]) + 6, 5)]


async def _poke(devices: list[SimDevice], counts: Counts, platform: Platform) -> dict[str, Any]:
    """Publish a version: every device of every site is told."""
    counts.pokes.clear()
    place = platform.repository / "metadata"
    place.mkdir(exist_ok=True)
    began = time.monotonic()
    (place / "timestamp.json").write_text(json.dumps({"signed": {"version": 7}}))
    while len(counts.pokes) < len(devices) and time.monotonic() - began < 60:
        await asyncio.sleep(0.05)
    reached = sorted(at - began for at in counts.pokes)
    middle, end = (reached[len(reached) // 2], reached[-1]) if reached else (0.0, 0.0)
    return {"poked": len(reached), "poke_median_s": round(middle, 2), "poke_all_s": round(end, 2)}


def _used(one: Any) -> tuple[float, float]:
    """Return CPU seconds and megabytes of a process."""
    process = psutil.Process(one.pid)
    times = process.cpu_times()
    return times.user + times.system, process.memory_info().rss / 1e6


def main() -> int:
    """Run it and print the figures as JSON."""
    count, outage = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory(prefix="parvis-swarm-") as folder:
        place = Path(folder)
        broker = mosquitto(place)
        broker.start()
        platform = Platform(place, _Addressed(broker.port))  # type: ignore[arg-type]
        try:
            figures = asyncio.run(measure(count, outage, broker, platform))
        finally:
            platform.process.kill()
            broker.kill()
    print(json.dumps(figures, indent=1))
    return int(figures["lost"] > 0)


if __name__ == "__main__":
    sys.exit(main())

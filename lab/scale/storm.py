# SPDX-License-Identifier: EUPL-1.2
"""Devices against a cluster whose parts are killed in mid-stream: `python -m lab.scale.storm nats 200 60`.

A NATS node (or Mosquitto) and then PostgreSQL are ended with kill -9 and come back later; so is one consumer. The
history checker then says what was lost, and what came twice. `… nats 200 30 1 calm` kills nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.scale.cluster import Cluster, Ingress, check, settled
from lab.scale.device import Counts, SimDevice

if TYPE_CHECKING:
    from collections.abc import Callable

_TURN = 0.25
_AWAY = 3.0


async def storm(
    cluster: Cluster, count: int, seconds: float, rate: float, patience: float = 180, *, calm: bool = False
) -> dict[str, Any]:
    """Let `count` devices tell `rate` events/s each for `seconds`, kill parts, wait until all is settled; check."""
    counts = Counts()
    devices = [SimDevice(f"gateway-{n}", cluster.ports, counts) for n in range(count)]
    await asyncio.gather(*(device.connect(random.uniform(0, 1)) for device in devices))
    faults = asyncio.create_task(_faults([] if calm else _parts(cluster), seconds))
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        for device in devices:
            device.tell(max(0, int(rate * elapsed) - len(device.ids)))
            device.push()
        await asyncio.sleep(_TURN)
    told = await faults
    while not settled(devices) and time.monotonic() - began < seconds + patience:
        for device in devices:
            device.push()
        await asyncio.sleep(_TURN)
    settled_after = time.monotonic() - began - seconds
    for device in devices:
        device.close()
    seen = await asyncio.to_thread(check, cluster, devices)
    return {
        **seen, "faults": told, "settled_after": round(settled_after, 1), "messages": counts.messages,
        "rounds_again": counts.resent, "connections": len(counts.connects),
    }  # fmt: skip


def _parts(cluster: Cluster) -> list[Any]:
    return [
        cluster.nats.nodes[random.randrange(3)] if cluster.nats else cluster.mosquitto, cluster.postgres,
        cluster.consumers[0],
    ]  # fmt: skip


async def _faults(parts: list[Any], seconds: float) -> list[str]:
    """Kill one part after the other, each away for a while; return what was done."""
    told = []
    for part in parts:
        await asyncio.sleep(max(0.5, seconds / 4 - _AWAY))
        await asyncio.to_thread(part.kill)
        await asyncio.sleep(_AWAY)
        await _start(part.start)
        told.append(part.name)
    return told


async def _start(start: Callable[[], None]) -> None:
    await asyncio.to_thread(start)


def main() -> int:
    """Run one storm; print the figures; exit 1 when anything was lost or came twice."""
    ingress: Ingress = "mosquitto" if sys.argv[1:2] == ["mosquitto"] else "nats"
    count, seconds, rate = (float(word) for word in [*sys.argv[2:5], "200", "60", "10"][:3])
    with tempfile.TemporaryDirectory(prefix="parvis-scale-") as folder:
        cluster = Cluster(Path(folder) / "c", ingress)
        try:
            cluster.start()
            seen = asyncio.run(storm(cluster, int(count), seconds, rate, calm="calm" in sys.argv[5:]))
        finally:
            cluster.kill()
    print(json.dumps(seen, indent=1))
    bad = ("lost", "twice", "wrong", "extra", "requests_off", "conflicts", "set_aside", "holes", "unacked", "unreplied")
    return int(any(seen[key] for key in bad))


if __name__ == "__main__":
    sys.exit(main())

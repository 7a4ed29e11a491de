# SPDX-License-Identifier: EUPL-1.2
"""The spine of the product, measured whole: getting online, what that costs the gateway, and being counted.

Peers and limits are figures of the design notes, measured on a 2-core Debian 12 in namespaces: openNDS 9.10 with its
default click-through, a bare prototype that only writes the kernel's sets, and MQTT with one or a hundred events in a
message. Other work on the machine shows in every figure: compare on a quiet one.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import psutil

from lab.bench import uplink
from lab.bench.figures import Figure, median, percentile
from lab.demo.plan import Plan, Ports
from lab.demo.scenes import Opening
from lab.demo.site import Site
from lab.net.allowed import Ground, allowed
from lab.net.isolate import run_isolated
from lab.net.zone import Zone
from lab.processes import Processes

GUESTS = int(os.environ.get("BENCH_GUESTS", "200"))
_WARM_UP = 10
_EVENTS = 50_000
_ROUNDS = 3


def figures() -> list[Figure]:
    """Measure everything; what can't be measured here is said and left out."""
    found = _events()
    ground = allowed()
    if ground.ground == "none":
        print(f"bench: getting online is not measured: {ground.why}", file=sys.stderr)
        return found
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        folder = Path(name)
        code = _getting_online(folder, ground.ground)
        if code:
            print(f"bench: getting online could not be measured (code {code})", file=sys.stderr)
            return found
        return [*_online_figures(json.loads((folder / "measured.json").read_text(encoding="utf-8"))), *found]


def _events() -> list[Figure]:
    rates: list[float] = []
    bare: list[float] = []
    lost = 0
    for _ in range(_ROUNDS):
        for kept, platform in ((rates, "reference"), (bare, "bare")):
            done = uplink.measure(_EVENTS, platform=platform)  # type: ignore[arg-type]
            kept.append(float(done["rate"]))
            lost += int(done["lost"])
    title = "events/s, outbox to platform's ack, "
    compared = {"peer": 10_000.0, "limit": 155_000.0}
    return [
        Figure(title + "reference platform", _middle(rates), "/s", _ends(rates), **compared, goal=10_000, more=True),
        Figure(title + "bare platform", _middle(bare), "/s", _ends(bare), **compared, goal=20_000, more=True),
        Figure("loss account: created minus held minus declared dropped", lost, "events", goal=0),
    ]


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _getting_online(folder: Path, ground: Ground) -> int:
    plan = Plan(ground, enforced=True, state=folder, ports=Ports(0, 0, 0))

    def inside() -> int:
        with Zone(folder) as zone, Processes(folder, zone) as processes:
            site = Site(plan, processes)
            opening = Opening(site)
            for step in (opening.internet, opening.platform, opening.gateway):
                step()
            _measure(site, folder / "measured.json")
        return 0

    return run_isolated(inside, ground, network=True)


def _measure(site: Site, file: Path) -> None:
    guests = site.start_peer("guests", "guests", "lab.bench.guests")
    guests.ask("visits", guests=_WARM_UP, first=100_000)
    gateway = psutil.Process(site.processes.running["gateway"].pid)
    before = _seconds(gateway)
    times = guests.ask("visits", guests=GUESTS, first=0)
    cpu = (_seconds(gateway) - before) * 1000 / GUESTS
    parts = {_name(process): process.memory_full_info().pss / 1e6 for process in _family(gateway)}
    file.write_text(json.dumps({**times, "cpu": cpu, "pss": sum(parts.values())}), encoding="utf-8")


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _name(process: psutil.Process) -> str:
    return f"{process.pid} {process.name()}"


def _seconds(process: psutil.Process) -> float:
    """Processor time of a process and all below it, in user and kernel; packets in soft interrupts are nobody's."""
    times = [one.cpu_times() for one in _family(process)]
    return sum(one.user + one.system for one in times)


def _online_figures(measured: dict[str, list[float]]) -> list[Figure]:
    through = measured["through"]
    return [
        median("first probe → welcome page read, p50", measured["welcome"], "ms", peer=499, goal=100),
        Figure("first probe → welcome page read, p95", _p95(measured["welcome"]), "ms", goal=200),
        median("click → first packet through, p50", through, "ms", peer=697, limit=2.9, goal=50),
        Figure("click → first packet through, p95", _p95(through), "ms", peer=988, goal=100),
        median("DHCP lease, p50", measured["lease"], "ms"),
        Figure("gateway CPU per login", _number(measured["cpu"]), "ms", peer=1093, limit=0.9, goal=50),
        Figure("PSS of all processes of a gateway", _number(measured["pss"]), "MB", goal=250),
    ]


def _p95(values: list[float]) -> float:
    return round(percentile(values, 0.95), 2)


def _number(value: object) -> float:
    return round(float(str(value)), 2)
